// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract PostOfferTest is Fixture {
    uint32 internal constant PERIOD = 4;

    /// ALICE's production, BOB's consumption and BOB's money; BOB's asset costs twice the price.
    function _people() internal returns (uint64 production, uint64 consumption) {
        production = _grant(ALICE, KW4, 4, 5);
        consumption = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
    }

    function _withPricePeriods() internal {
        IPetra.Terms memory terms = _terms();
        terms.pricePeriod = PERIOD;
        petra = _deploy(terms);
    }

    function _setPrice(uint64 period, uint64 price) internal {
        vm.prank(DSO);
        petra.setPrice(period, price);
    }

    function test_refuses_where_there_is_a_market() public {
        IPetra.Terms memory terms = _terms();
        terms.market = CAROL;
        petra = _deploy(terms);
        _refuses(IPetra.MarketOnly.selector);
        _post(MALLORY, 7, MAX_PRICE + 1);
    }

    function test_refuses_an_asset_that_never_was() public {
        _refuses(IPetra.UnknownAsset.selector, 1);
        _post(MALLORY, 1, MAX_PRICE + 1);
    }

    function test_refuses_a_deposited_asset() public {
        (uint64 production,) = _people();
        _depositAsset(ALICE, production);
        _refuses(IPetra.UnknownAsset.selector, production);
        _post(ALICE, production, PRICE);
    }

    function test_refuses_a_foreign_asset() public {
        (uint64 production,) = _people();
        _post(ALICE, production, PRICE);
        _at(9);
        _refuses(IPetra.NotOwner.selector, production, MALLORY);
        _post(MALLORY, production, MAX_PRICE + 1);
    }

    function test_refuses_an_asset_on_offer() public {
        (uint64 production,) = _people();
        _post(ALICE, production, PRICE);
        _at(9);
        _refuses(IPetra.AssetIsLocked.selector, production);
        _post(ALICE, production, MAX_PRICE + 1);
    }

    function test_refuses_a_spent_asset() public {
        (uint64 production, uint64 consumption) = _people();
        _accept(BOB, _post(ALICE, production, PRICE), consumption);
        _at(9);
        _refuses(IPetra.AssetIsSpent.selector, consumption);
        _post(ALICE, consumption, MAX_PRICE + 1);
    }

    function testFuzz_refuses_when_the_gate_has_closed_on_the_last_timestep(uint64 now_) public {
        (uint64 production,) = _people();
        now_ = _bound(now_, 5 - GATE, 2 ** 40);
        _at(now_);
        _refuses(IPetra.GateClosed.selector, 5, uint256(now_) + GATE + 1);
        _post(ALICE, production, MAX_PRICE + 1);
    }

    function test_refuses_indivisible_assets_when_the_gate_has_closed_on_the_first_timestep() public {
        IPetra.Terms memory terms = _terms();
        terms.divisible = false;
        petra = _deploy(terms);
        (uint64 production,) = _people();
        _at(3);
        _refuses(IPetra.GateClosed.selector, 4, 5);
        _post(ALICE, production, PRICE);
    }

    function test_counts_the_gate_in_256_bits() public {
        (uint64 production,) = _people();
        vm.warp(type(uint256).max);
        _refuses(IPetra.GateClosed.selector, 5, (type(uint256).max - GENESIS) / T + GATE + 1);
        _post(ALICE, production, PRICE);
    }

    function testFuzz_refuses_a_price_above_the_maximum(uint64 price) public {
        (uint64 production,) = _people();
        price = _bound(price, MAX_PRICE + 1, type(uint64).max);
        _refuses(IPetra.PriceTooHigh.selector, price);
        _post(ALICE, production, price);
    }

    function test_refuses_a_price_above_the_maximum_also_with_price_periods() public {
        _withPricePeriods();
        uint64 assetID = _grant(ALICE, KW4, 7, 8);
        _refuses(IPetra.PriceTooHigh.selector, MAX_PRICE + 1);
        _post(ALICE, assetID, MAX_PRICE + 1);
    }

    function test_refuses_an_asset_across_two_price_periods() public {
        _withPricePeriods();
        uint64 assetID = _grant(ALICE, KW4, 7, 8);
        _refuses(IPetra.OutsidePricePeriod.selector, assetID);
        _post(ALICE, assetID, PRICE);
    }

    function test_refuses_a_period_without_a_price() public {
        _withPricePeriods();
        uint64 assetID = _grant(ALICE, KW4, 4, 7);
        _refuses(IPetra.PriceNotSet.selector, 1);
        _post(ALICE, assetID, 0);
    }

    function test_a_price_period_may_be_one_timestep() public {
        IPetra.Terms memory terms = _terms();
        terms.pricePeriod = 1;
        petra = _deploy(terms);
        uint64 assetID = _grant(ALICE, KW4, 4, 4);
        _refuses(IPetra.PriceNotSet.selector, 4);
        _post(ALICE, assetID, PRICE);
        _setPrice(4, PRICE);
        _post(ALICE, assetID, PRICE);
        _assertOpen(1, ALICE, assetID, PRICE);
    }

    function test_refuses_another_price_than_the_periods() public {
        _withPricePeriods();
        _setPrice(1, PRICE);
        uint64 assetID = _grant(ALICE, KW4, 4, 7);
        _refuses(IPetra.PriceMismatch.selector, PRICE - 1, PRICE);
        _post(ALICE, assetID, PRICE - 1);
    }

    function test_refuses_a_bid_whose_escrow_exceeds_64_bits() public {
        uint64 assetID = _grant(BOB, -type(int64).max, 4, 99);
        uint256 escrow = uint256(uint64(type(int64).max)) * 96 * T * PRICE / 3_600_000;
        _refuses(IPetra.AmountTooLarge.selector, escrow);
        _post(BOB, assetID, PRICE);
    }

    function test_an_escrow_may_be_all_the_money_there_can_be() public {
        uint64 all = type(uint64).max;
        uint64 assetID = _grant(BOB, -int64(all / 15), 4, 18); // 15 timesteps, and 4000 nano-units a kWh make it exact
        _fund(BOB, all);
        _post(BOB, assetID, 4000);
        _assertBalance(BOB, 0);
    }

    function test_refuses_a_bid_that_its_poster_cannot_pay() public {
        uint64 assetID = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, 2 * PRICE - 1);
        _refusesInsufficient(BOB, 2 * PRICE - 1, 2 * PRICE);
        _post(BOB, assetID, PRICE);
    }

    function test_posts_an_ask_and_tells() public {
        (uint64 production,) = _people();
        vm.recordLogs();
        vm.assertEq(_post(ALICE, production, PRICE), 1, "ids begin at 1");
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferPosted(1, production, PRICE, KW4, 4, 5);
        _assertTold(told);
        _assertAsset(production, ALICE, KW4, 4, 5, 1);
        _assertOpen(1, ALICE, production, PRICE);
        _assertBalance(ALICE, 0);
    }

    function test_posts_a_bid_takes_its_escrow_and_tells() public {
        (, uint64 consumption) = _people();
        vm.recordLogs();
        _post(BOB, consumption, PRICE);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferPosted(1, consumption, PRICE, -KW4, 4, 5);
        _assertTold(told);
        _assertOpen(1, BOB, consumption, PRICE);
        _assertBalance(BOB, FUNDS - 2 * PRICE);
    }

    function testFuzz_the_escrow_is_the_floor_for_the_whole_asset(int64 power, uint64 length, uint64 price) public {
        power = -int64(_bound(uint64(power), 1, 10 ** 6));
        length = _bound(length, 1, MAX_LENGTH);
        price = _bound(price, 0, MAX_PRICE);
        uint64 assetID = _grant(BOB, power, 4, 4 + length - 1);
        _fund(BOB, type(uint64).max);
        _post(BOB, assetID, price);
        uint256 escrow = uint256(uint64(-power)) * length * T * price / 3_600_000;
        _assertBalance(BOB, type(uint64).max - escrow);
    }

    function test_posts_while_the_last_timestep_is_tradeable() public {
        (uint64 production,) = _people();
        _at(3);
        _post(ALICE, production, PRICE);
        _assertOpen(1, ALICE, production, PRICE);
    }

    function test_posts_at_the_maximum_price() public {
        (uint64 production,) = _people();
        _post(ALICE, production, MAX_PRICE);
        _assertOpen(1, ALICE, production, MAX_PRICE);
    }

    function test_posts_at_price_0() public {
        (, uint64 consumption) = _people();
        _post(BOB, consumption, 0);
        _assertBalance(BOB, FUNDS);
    }

    function test_posts_at_the_periods_price() public {
        _withPricePeriods();
        _setPrice(1, 0);
        uint64 assetID = _grant(ALICE, KW4, 4, 7);
        _post(ALICE, assetID, 0);
        _assertOpen(1, ALICE, assetID, 0);
    }
}
