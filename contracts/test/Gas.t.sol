// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {MockMarket} from "./mocks/MockMarket.sol";

/// @title What each verb costs at most, as a transaction of its own
/// @dev `isolate` makes each call a transaction: with its base cost and calldata, and nothing warm from before. One
/// unrelated asset, offer and amount exist already, as in every deployment after its first minute.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    address internal immutable SELLER = _person(1);
    address internal immutable BUYER = _person(2);

    event Gas(string what, uint256 gas);

    function setUp() public override {
        super.setUp();
        _fund(DSO, 1);
        _post(DSO, _grant(DSO, 1, 4, 4), PRICE);
    }

    /// An address as the curve gives them: hardly a zero byte.
    function _person(uint256 number) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(number)))));
    }

    function _assertGas(string memory what, uint256 ceiling) internal {
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        emit Gas(what, gas);
        vm.assertLe(gas, ceiling, what);
    }

    function test_gas_of_issue() public {
        _grant(SELLER, KW4, 4, 5);
        _assertGas("addEnergyAsset, new address", 98_000);
        _fund(BUYER, FUNDS);
        _assertGas("addFinancialBalance, new address", 53_000);
        _grant(BUYER, -KW4, 4, 5);
        _assertGas("addEnergyAsset, after money", 82_000);
    }

    function test_gas_of_a_batch() public {
        IPetra.EnergyGrant[] memory energy = new IPetra.EnergyGrant[](200);
        for (uint256 i = 0; i < 200; ++i) {
            energy[i] = IPetra.EnergyGrant(_person(100 + i), -KW4, 4, 5);
        }
        vm.prank(DSO);
        petra.addAssets(energy, new IPetra.FinancialGrant[](0));
        _assertGas("addAssets, 200 energy grants to new addresses", 15_000_000);
    }

    /// The offer of a seller, and a buyer with a permit and money.
    function _askAndPermit(int64 offered, int64 permit) internal {
        _grant(SELLER, offered, 4, 9);
        _post(SELLER, 2, PRICE);
        _assertGas("postOffer, ask", 64_000);
        _fund(BUYER, FUNDS);
        _grant(BUYER, permit, 4, 9);
    }

    function test_gas_of_a_whole_ask() public {
        _askAndPermit(KW4, -KW4);
        _accept(BUYER, 2, 3);
        _assertGas("acceptOffer, whole ask", 70_000);
        _depositAsset(SELLER, 3);
        _assertGas("depositEnergyAsset", 30_000);
        _depositMoney(SELLER, 1);
        _assertGas("depositFinancial", 35_000);
    }

    function test_gas_of_a_part_of_an_ask() public {
        _askAndPermit(KW4, -1000);
        _accept(BUYER, 2, 3);
        _assertGas("acceptOffer, part of an ask, whole permit", 125_000);
    }

    function test_gas_of_a_bid() public {
        _grant(BUYER, -KW4, 4, 9);
        _fund(BUYER, FUNDS);
        _post(BUYER, 2, PRICE);
        _assertGas("postOffer, bid", 70_000);
        _rescind(BUYER, 2);
        _assertGas("rescindOffer, bid", 44_000);
        _post(BUYER, 2, PRICE);
        _grant(SELLER, KW4, 4, 9);
        _accept(SELLER, 3, 3);
        _assertGas("acceptOffer, whole bid", 70_000);
    }

    function test_gas_of_one_piece_on_each_side() public {
        _grant(SELLER, KW4, 4, 9);
        _post(SELLER, 2, PRICE);
        _fund(BUYER, FUNDS);
        _grant(BUYER, -1000, 4, 12);
        _accept(BUYER, 2, 3);
        _assertGas("acceptOffer, 1 + 1 pieces", 175_000);
    }

    function test_gas_of_three_pieces_on_offer() public {
        _grant(SELLER, KW4, 4, 9);
        _post(SELLER, 2, PRICE);
        _fund(BUYER, FUNDS);
        _grant(BUYER, -1000, 6, 7);
        _accept(BUYER, 2, 3);
        _assertGas("acceptOffer, 3 + 0 pieces", 280_000);
    }

    /// The worst accept: four new assets and a new offer, paid from an escrow.
    function test_gas_of_four_pieces() public {
        _fund(BUYER, FUNDS);
        _grant(BUYER, -KW4, 4, 12);
        _post(BUYER, 2, PRICE);
        _grant(SELLER, 1000, 4, 9);
        _at(4);
        _accept(SELLER, 2, 3);
        _assertGas("acceptOffer, 3 + 1 pieces, two of them dead", 330_000);
    }

    function test_gas_of_a_market() public {
        MockMarket market = new MockMarket();
        IPetra.Terms memory terms = _terms();
        terms.market = address(market);
        petra = _deploy(terms);
        market.connect(petra);
        _fund(BUYER, FUNDS);
        _grant(BUYER, -KW4, 4, 9);
        _grant(SELLER, KW4, 4, 9);
        vm.prank(BUYER);
        market.lock(1, FUNDS);
        _assertGas("lock, through a market", 60_000);
        vm.prank(SELLER);
        market.lock(2, 0);
        market.settle(1, 2, KW4, 4, 9, PRICE);
        _assertGas("settle of two whole assets, through a market", 90_000);
    }

    function test_gas_of_small_verbs() public {
        IPetra.Terms memory terms = _terms();
        terms.pricePeriod = 4;
        petra = _deploy(terms);
        vm.prank(DSO);
        petra.setPrice(1, PRICE);
        _assertGas("setPrice", 50_000);
        vm.prank(DSO);
        petra.recordSchedule(4, keccak256("schedule"));
        _assertGas("recordSchedule", 30_000);
        vm.prank(SELLER);
        petra.protest(keccak256("request"));
        _assertGas("protest", 30_000);
    }
}
