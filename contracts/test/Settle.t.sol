// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {MarketFixture} from "./MarketFixture.sol";
import {Vm} from "./Vm.sol";

contract SettleTest is MarketFixture {
    uint64 internal constant MONEY = 6 * PRICE;

    /* REFUSALS: each is met before everything that would be refused later */

    function test_refuses_anybody_but_the_market() public {
        _refuses(IPetra.NotMarket.selector, DSO);
        vm.prank(DSO);
        petra.settle(7, 8, 0, 9, 4, 1);
    }

    function test_refuses_power_that_is_not_positive() public {
        _refuses(IPetra.PowerOutOfBounds.selector, 0);
        market.settle(7, 8, 0, 9, 4, 1);
        vm.expectRevert(abi.encodeWithSelector(IPetra.PowerOutOfBounds.selector, -KW4));
        market.settle(7, 8, -KW4, 9, 4, 1);
    }

    function test_refuses_a_bid_asset_that_never_was() public {
        _refuses(IPetra.UnknownAsset.selector, 7);
        market.settle(7, 8, KW4 + 1, 9, 4, 1);
    }

    function test_refuses_an_ask_asset_that_never_was() public {
        _refuses(IPetra.UnknownAsset.selector, 8);
        market.settle(BID, 8, KW4 + 1, 9, 4, 1);
    }

    function test_refuses_a_bid_asset_that_is_not_locked() public {
        _refuses(IPetra.AssetNotLocked.selector, ASK);
        market.settle(ASK, BID, KW4 + 1, 9, 4, 1);
    }

    function test_refuses_an_ask_asset_that_is_not_locked() public {
        _lock(ALICE, ASK, 0);
        _refuses(IPetra.AssetNotLocked.selector, BID);
        market.settle(ASK, BID, KW4 + 1, 9, 4, 1);
    }

    function test_refuses_two_assets_of_one_side() public {
        _lockBoth(0);
        _refuses(IPetra.SameSide.selector, BID, BID);
        market.settle(BID, BID, KW4 + 1, 9, 4, 1);
        _refuses(IPetra.SameSide.selector, ASK, ASK);
        market.settle(ASK, ASK, KW4 + 1, 9, 4, 1);
    }

    function test_refuses_the_two_assets_the_other_way_round() public {
        _lockBoth(0);
        _refuses(IPetra.SameSide.selector, ASK, BID);
        market.settle(ASK, BID, KW4 + 1, 9, 4, 1);
    }

    function test_refuses_production_of_one_watt_as_a_bid_and_consumption_of_one_watt_as_an_ask() public {
        uint64 production = _grant(CAROL, 1, 4, 9);
        uint64 permit = _grant(MALLORY, -1, 4, 9);
        _lockBoth(0);
        _lock(CAROL, production, 0);
        _lock(MALLORY, permit, 0);
        _refuses(IPetra.SameSide.selector, production, ASK);
        market.settle(production, ASK, 1, 4, 9, 0);
        _refuses(IPetra.SameSide.selector, BID, permit);
        market.settle(BID, permit, 1, 4, 9, 0);
    }

    function test_refuses_more_power_than_the_bid_has() public {
        uint64 bid = _grant(CAROL, -KW4 + 1, 4, 9);
        _lock(CAROL, bid, 0);
        _lock(ALICE, ASK, 0);
        _refuses(IPetra.PowerOutOfBounds.selector, uint64(KW4));
        market.settle(bid, ASK, KW4, 9, 4, 1);
    }

    function test_refuses_more_power_than_the_ask_has() public {
        uint64 ask = _grant(CAROL, KW4 - 1, 4, 9);
        _lock(CAROL, ask, 0);
        _lock(BOB, BID, 0);
        _refuses(IPetra.PowerOutOfBounds.selector, uint64(KW4));
        market.settle(BID, ask, KW4, 9, 4, 1);
    }

    function test_refuses_an_interval_that_ends_before_it_starts() public {
        _lockBoth(0);
        _refuses(IPetra.IntervalOutOfBounds.selector, 6, 5);
        market.settle(BID, ASK, KW4, 6, 5, 1);
    }

    function testFuzz_refuses_an_interval_outside_the_bid(uint64 start, uint64 end) public {
        uint64 bid = _grant(CAROL, -KW4, 6, 7);
        _lock(CAROL, bid, 0);
        _lock(ALICE, ASK, 0);
        _assertOutside(bid, ASK, start, end);
    }

    function testFuzz_refuses_an_interval_outside_the_ask(uint64 start, uint64 end) public {
        uint64 ask = _grant(CAROL, KW4, 6, 7);
        _lock(CAROL, ask, 0);
        _lock(BOB, BID, 0);
        _assertOutside(BID, ask, start, end);
    }

    /// One asset covers [4, 9], the other one [6, 7]: an interval within the first reaches beyond the second.
    function _assertOutside(uint64 bid, uint64 ask, uint64 start, uint64 end) internal {
        start = _bound(start, 4, 9);
        end = _bound(end, start, 9);
        if (start >= 6 && end <= 7) start = 5;
        _refuses(IPetra.IntervalOutOfBounds.selector, start, end);
        market.settle(bid, ask, KW4, start, end, 1);
    }

    function test_refuses_more_than_the_money_that_is_locked_with_the_bid() public {
        _lockBoth(MONEY);
        _refusesInsufficient(BOB, MONEY, MONEY + 1);
        market.settle(BID, ASK, KW4, 4, 9, MONEY + 1);
    }

    /* TRADES */

    function test_settles_two_whole_assets_and_returns_what_money_is_left() public {
        _lockBoth(MONEY);
        vm.recordLogs();
        market.settle(BID, ASK, KW4, 4, 9, MONEY - 5);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketSettled(BID, ASK, KW4, 4, 9, MONEY - 5);
        emit IPetra.AssetTransferred(BID, BOB, ALICE);
        emit IPetra.AssetTransferred(ASK, ALICE, BOB);
        emit IPetra.MarketUnlocked(BID, 5);
        _assertTold(told);
        _assertAsset(BID, ALICE, -KW4, 4, 9, 0);
        _assertAsset(ASK, BOB, KW4, 4, 9, 0);
        vm.assertTrue(petra.spent(BID) && !petra.spent(ASK), "only the permit is spent");
        _assertBalance(BOB, FUNDS - MONEY + 5);
        _assertBalance(ALICE, MONEY - 5);
    }

    function test_returns_nothing_where_no_money_is_left() public {
        _lockBoth(MONEY);
        vm.recordLogs();
        market.settle(BID, ASK, KW4, 4, 9, MONEY);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketSettled(BID, ASK, KW4, 4, 9, MONEY);
        emit IPetra.AssetTransferred(BID, BOB, ALICE);
        emit IPetra.AssetTransferred(ASK, ALICE, BOB);
        _assertTold(told);
    }

    function test_the_kept_pieces_stay_locked_with_their_money_and_the_others_are_free() public {
        _lockBoth(MONEY);
        vm.recordLogs();
        market.settle(BID, ASK, 1000, 6, 7, PRICE);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketSettled(BID, ASK, 1000, 6, 7, PRICE);
        emit IPetra.AssetSplit(BID, 3, BOB, -1000, 6, 7);
        emit IPetra.AssetSplit(BID, 4, BOB, -KW4, 8, 9);
        emit IPetra.AssetSplit(BID, 5, BOB, -KW4, 4, 5);
        emit IPetra.AssetSplit(ASK, 6, ALICE, 1000, 6, 7);
        emit IPetra.AssetSplit(ASK, 7, ALICE, KW4, 8, 9);
        emit IPetra.AssetSplit(ASK, 8, ALICE, KW4, 4, 5);
        emit IPetra.AssetTransferred(3, BOB, ALICE);
        emit IPetra.AssetTransferred(6, ALICE, BOB);
        _assertTold(told);
        _assertAsset(BID, BOB, -3000, 6, 7, MARKET_LOCK);
        _assertAsset(ASK, ALICE, 3000, 6, 7, MARKET_LOCK);
        _assertAsset(3, ALICE, -1000, 6, 7, 0);
        vm.assertTrue(petra.spent(3), "what was sold is spent");
        _assertAsset(4, BOB, -KW4, 8, 9, 0);
        _assertAsset(5, BOB, -KW4, 4, 5, 0);
        _assertAsset(7, ALICE, KW4, 8, 9, 0);
        market.settle(BID, ASK, 3000, 6, 7, MONEY - PRICE);
        _assertBalance(ALICE, MONEY);
    }

    function test_unlocking_the_kept_piece_returns_the_money_that_is_left() public {
        _lockBoth(MONEY);
        market.settle(BID, ASK, KW4, 4, 5, PRICE);
        _assertAsset(BID, BOB, -KW4, 6, 9, MARKET_LOCK);
        market.unlock(BID);
        _assertBalance(BOB, FUNDS - PRICE);
    }

    function test_money_that_was_locked_with_an_ask_returns_to_its_seller() public {
        _fund(ALICE, 9);
        _lock(BOB, BID, 0);
        _lock(ALICE, ASK, 9);
        vm.recordLogs();
        market.settle(BID, ASK, KW4, 4, 9, 0);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketSettled(BID, ASK, KW4, 4, 9, 0);
        emit IPetra.AssetTransferred(BID, BOB, ALICE);
        emit IPetra.AssetTransferred(ASK, ALICE, BOB);
        emit IPetra.MarketUnlocked(ASK, 9);
        _assertTold(told);
        _assertBalance(ALICE, 9);
    }

    function test_knows_no_gate_so_every_piece_is_live() public {
        _lockBoth(MONEY);
        _at(99);
        market.settle(BID, ASK, KW4, 6, 9, 0);
        _assertAsset(BID, BOB, -KW4, 4, 5, MARKET_LOCK);
        _assertAsset(ASK, ALICE, KW4, 4, 5, MARKET_LOCK);
    }

    function test_settles_one_watt_and_returns_one_nano_unit_to_each() public {
        uint64 bid = _grant(CAROL, -1, 0, 1);
        uint64 ask = _grant(MALLORY, 1, 0, 1);
        _fund(CAROL, 2);
        _fund(MALLORY, 1);
        _lock(CAROL, bid, 2);
        _lock(MALLORY, ask, 1);
        market.settle(bid, ask, 1, 1, 1, 1); // What is before timestep 1 is live here, too.
        _assertAsset(bid, CAROL, -1, 0, 0, MARKET_LOCK);
        _assertAsset(ask, MALLORY, 1, 0, 0, MARKET_LOCK);
        market.settle(bid, ask, 1, 0, 0, 0);
        vm.assertTrue(petra.spent(bid) && !petra.spent(ask), "only the permit is spent");
        _assertBalance(CAROL, 1);
        _assertBalance(MALLORY, 2);
    }

    function testFuzz_keeps_energy_and_money(int64 power, uint64 start, uint64 end, uint64 payment) public {
        power = int64(_bound(uint64(power), 1, uint64(KW4)));
        start = _bound(start, 4, 9);
        end = _bound(end, start, 9);
        payment = _bound(payment, 0, MONEY);
        _lockBoth(MONEY);
        market.settle(BID, ASK, power, start, end, payment);
        for (uint64 timestep = 4; timestep <= 9; ++timestep) {
            (int256 consumption, int256 production) = (0, 0);
            for (uint64 id = 1; id <= 8; ++id) {
                (, int64 power_, uint64 start_, uint64 end_,) = petra.assets(id);
                if (timestep < start_ || end_ < timestep) continue;
                if (power_ < 0) consumption += power_;
                else production += power_;
            }
            vm.assertEq(consumption, -KW4, "consumption");
            vm.assertEq(production, KW4, "production");
        }
        (,,,, uint64 lockOfBid) = petra.assets(BID);
        if (lockOfBid == MARKET_LOCK) market.unlock(BID);
        vm.assertEq(petra.balances(ALICE), payment, "the seller is paid");
        vm.assertEq(petra.balances(BOB), FUNDS - payment, "the buyer pays");
    }
}
