// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract SetPriceTest is Fixture {
    uint32 internal constant PERIOD = 4;

    function setUp() public override {
        super.setUp();
        IPetra.Terms memory terms = _terms();
        terms.pricePeriod = PERIOD;
        petra = _deploy(terms);
    }

    function _setPrice(uint64 period, uint64 price) internal {
        vm.prank(DSO);
        petra.setPrice(period, price);
    }

    function test_refuses_anybody_but_the_dso() public {
        petra = _deploy(_terms());
        _refuses(IPetra.NotDso.selector, MALLORY);
        vm.prank(MALLORY);
        petra.setPrice(0, MAX_PRICE + 1);
    }

    function test_refuses_where_prices_are_free() public {
        petra = _deploy(_terms());
        _refuses(IPetra.PricePeriodsUnused.selector);
        _setPrice(0, MAX_PRICE + 1);
    }

    function test_refuses_to_change_a_price() public {
        _setPrice(1, 0);
        _at(99);
        _refuses(IPetra.PriceAlreadySet.selector, 1);
        _setPrice(1, MAX_PRICE + 1);
    }

    function testFuzz_refuses_when_the_gate_has_closed_on_the_first_timestep(uint64 period, uint64 now_) public {
        period = _bound(period, 1, 2 ** 40);
        now_ = _bound(now_, uint256(period) * PERIOD - GATE, 2 ** 45);
        _at(now_);
        _refuses(IPetra.GateClosed.selector, uint256(period) * PERIOD, uint256(now_) + GATE + 1);
        _setPrice(period, MAX_PRICE + 1);
    }

    function test_the_refusal_names_the_largest_timestep_that_fits() public {
        vm.warp(type(uint256).max);
        _refuses(IPetra.GateClosed.selector, type(uint64).max, (type(uint256).max - GENESIS) / T + GATE + 1);
        _setPrice(type(uint64).max, PRICE);
    }

    function testFuzz_refuses_a_price_above_the_maximum(uint64 price) public {
        price = _bound(price, MAX_PRICE + 1, type(uint64).max);
        _refuses(IPetra.PriceTooHigh.selector, price);
        _setPrice(1, price);
    }

    function test_sets_the_price_while_the_first_timestep_is_tradeable_and_tells() public {
        _at(2);
        vm.recordLogs();
        _setPrice(1, PRICE);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.PriceSet(1, PRICE);
        _assertTold(told);
    }

    function test_sets_the_price_of_the_last_period_that_has_a_number() public {
        vm.recordLogs();
        _setPrice(type(uint64).max, MAX_PRICE);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.PriceSet(type(uint64).max, MAX_PRICE);
        _assertTold(told);
    }
}
