// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract AcceptOfferTest is Fixture {
    /// ALICE asks for 4000 W over [start, end].
    function _ask(uint64 start, uint64 end) internal returns (uint64 offerID, uint64 assetID) {
        assetID = _grant(ALICE, KW4, start, end);
        offerID = _post(ALICE, assetID, PRICE);
    }

    /// BOB bids for 4000 W over [start, end].
    function _bid(uint64 start, uint64 end) internal returns (uint64 offerID, uint64 assetID) {
        assetID = _grant(BOB, -KW4, start, end);
        _fund(BOB, FUNDS);
        offerID = _post(BOB, assetID, PRICE);
    }

    /* REFUSALS: each is met before everything that would be refused later */

    function test_refuses_where_there_is_a_market() public {
        IPetra.Terms memory terms = _terms();
        terms.market = CAROL;
        petra = _deploy(terms);
        _refuses(IPetra.MarketOnly.selector);
        _accept(MALLORY, 1, 7);
    }

    function test_refuses_an_offer_that_never_was() public {
        _refuses(IPetra.UnknownOffer.selector, 1);
        _accept(MALLORY, 1, 7);
    }

    function test_refuses_an_offer_that_was_rescinded() public {
        (uint64 offerID,) = _ask(4, 5);
        _rescind(ALICE, offerID);
        _refuses(IPetra.OfferNotOpen.selector, offerID);
        _accept(ALICE, offerID, 7);
    }

    function test_refuses_an_offer_that_was_accepted() public {
        (uint64 offerID,) = _ask(4, 5);
        _fund(BOB, FUNDS);
        _accept(BOB, offerID, _grant(BOB, -KW4, 4, 5));
        _refuses(IPetra.OfferNotOpen.selector, offerID);
        _accept(CAROL, offerID, 7);
    }

    function test_refuses_the_poster_itself() public {
        (uint64 offerID,) = _ask(4, 5);
        _refuses(IPetra.OwnOffer.selector, offerID);
        _accept(ALICE, offerID, 7);
    }

    function test_refuses_an_asset_that_never_was() public {
        (uint64 offerID,) = _ask(4, 5);
        _refuses(IPetra.UnknownAsset.selector, 7);
        _accept(BOB, offerID, 7);
    }

    function test_refuses_a_foreign_asset() public {
        (uint64 offerID,) = _ask(4, 5);
        uint64 foreign = _grant(CAROL, -KW4, 4, 5);
        _fund(CAROL, FUNDS);
        _post(CAROL, foreign, PRICE);
        _refuses(IPetra.NotOwner.selector, foreign, BOB);
        _accept(BOB, offerID, foreign);
    }

    function test_refuses_the_offered_asset_itself() public {
        (uint64 offerID, uint64 assetID) = _ask(4, 5);
        _refuses(IPetra.NotOwner.selector, assetID, BOB);
        _accept(BOB, offerID, assetID);
    }

    function test_refuses_an_asset_on_offer() public {
        (uint64 offerID,) = _ask(4, 5);
        (, uint64 onOffer) = _bid(8, 9);
        _refuses(IPetra.AssetIsLocked.selector, onOffer);
        _accept(BOB, offerID, onOffer);
    }

    function test_refuses_a_spent_asset() public {
        (uint64 offerID,) = _bid(4, 5);
        uint64 production = _grant(ALICE, KW4, 4, 5);
        _accept(ALICE, offerID, production); // ALICE holds BOB's spent permit, asset 1.
        uint64 bid = _post(CAROL, _grant(CAROL, -KW4, 8, 9), 0);
        _refuses(IPetra.AssetIsSpent.selector, 1);
        _accept(ALICE, bid, 1);
    }

    function test_refuses_two_assets_of_one_side() public {
        (uint64 offerID, uint64 offered) = _ask(4, 5);
        uint64 provided = _grant(BOB, KW4, 8, 9);
        _refuses(IPetra.SameSide.selector, offered, provided);
        _accept(BOB, offerID, provided);
    }

    function test_refuses_unequal_power_or_interval_where_assets_are_indivisible() public {
        IPetra.Terms memory terms = _terms();
        terms.divisible = false;
        petra = _deploy(terms);
        (uint64 offerID, uint64 offered) = _ask(4, 5);
        uint64 smaller = _grant(BOB, -KW4 + 1, 4, 5);
        uint64 disjoint = _grant(CAROL, -KW4, 8, 9);
        uint64 later = _grant(DSO, -KW4, 4, 6);
        uint64 earlier = _grant(DSO, -KW4, 3, 5);
        _at(9);
        _refuses(IPetra.Indivisible.selector, offered, later);
        _accept(DSO, offerID, later);
        _refuses(IPetra.Indivisible.selector, offered, earlier);
        _accept(DSO, offerID, earlier);
        _refuses(IPetra.Indivisible.selector, offered, smaller);
        _accept(BOB, offerID, smaller);
        _refuses(IPetra.Indivisible.selector, offered, disjoint);
        _accept(CAROL, offerID, disjoint);
    }

    function testFuzz_refuses_assets_without_a_common_timestep(uint64 start, uint64 end, uint64 distance) public {
        start = _bound(start, 2, 1000);
        end = _bound(end, start, start + MAX_LENGTH - 1);
        uint64 later = end + _bound(distance, 1, 1000);
        (uint64 offerID, uint64 offered) = _ask(start, end);
        uint64 provided = _grant(BOB, -KW4, later, later);
        _at(2000);
        _refuses(IPetra.IntervalsDisjoint.selector, offered, provided);
        _accept(BOB, offerID, provided);
    }

    function testFuzz_refuses_when_the_gate_has_closed_on_the_last_common_timestep(uint64 now_) public {
        (uint64 offerID,) = _ask(4, 9);
        uint64 provided = _grant(BOB, -KW4, 2, 5);
        now_ = _bound(now_, 5 - GATE, 2 ** 40);
        _at(now_);
        _refuses(IPetra.GateClosed.selector, 5, uint256(now_) + GATE + 1);
        _accept(BOB, offerID, provided);
    }

    function test_refuses_indivisible_assets_when_the_gate_has_closed_on_their_first_timestep() public {
        IPetra.Terms memory terms = _terms();
        terms.divisible = false;
        petra = _deploy(terms);
        (uint64 offerID,) = _ask(4, 9);
        uint64 provided = _grant(BOB, -KW4, 4, 9);
        _at(3);
        _refuses(IPetra.GateClosed.selector, 4, 5);
        _accept(BOB, offerID, provided);
    }

    function test_refuses_a_payment_above_64_bits() public {
        uint64 offered = _grant(ALICE, type(int64).max, 4, 99);
        uint64 offerID = _post(ALICE, offered, PRICE);
        uint64 provided = _grant(BOB, -type(int64).max, 4, 99);
        uint256 joulesTimesPrice = uint256(uint64(type(int64).max)) * 96 * T * PRICE;
        _refuses(IPetra.AmountTooLarge.selector, (joulesTimesPrice + 3_600_000 - 1) / 3_600_000);
        _accept(BOB, offerID, provided);
    }

    function test_refuses_an_acceptor_that_cannot_pay() public {
        (uint64 offerID,) = _ask(4, 5);
        uint64 provided = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, 2 * PRICE - 1);
        _refusesInsufficient(BOB, 2 * PRICE - 1, 2 * PRICE);
        _accept(BOB, offerID, provided);
    }

    /* TRADES: what is told, who owns what, who has what */

    function test_accepts_a_whole_ask() public {
        (uint64 offerID,) = _ask(4, 5);
        uint64 provided = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        vm.recordLogs();
        _accept(BOB, offerID, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, KW4, 4, 5, 2 * PRICE);
        emit IPetra.AssetTransferred(1, ALICE, BOB);
        emit IPetra.AssetTransferred(2, BOB, ALICE);
        _assertTold(told);
        _assertAsset(1, BOB, KW4, 4, 5, 0);
        _assertAsset(2, ALICE, -KW4, 4, 5, 0);
        vm.assertTrue(petra.spent(2) && !petra.spent(1), "only the permit is spent");
        _assertClosed(offerID);
        _assertBalance(BOB, FUNDS - 2 * PRICE);
        _assertBalance(ALICE, 2 * PRICE);
    }

    function test_accepts_a_whole_bid() public {
        (uint64 offerID,) = _bid(4, 5);
        uint64 provided = _grant(ALICE, KW4, 4, 5);
        vm.recordLogs();
        _accept(ALICE, offerID, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, -KW4, 4, 5, 2 * PRICE);
        emit IPetra.AssetTransferred(1, BOB, ALICE);
        emit IPetra.AssetTransferred(2, ALICE, BOB);
        _assertTold(told);
        _assertAsset(1, ALICE, -KW4, 4, 5, 0);
        _assertAsset(2, BOB, KW4, 4, 5, 0);
        vm.assertTrue(petra.spent(1) && !petra.spent(2), "only the permit is spent");
        _assertClosed(offerID);
        _assertBalance(BOB, FUNDS - 2 * PRICE);
        _assertBalance(ALICE, 2 * PRICE);
    }

    function test_of_an_ask_inside_keeps_the_ids_and_after_and_before_are_offered_anew() public {
        _ask(4, 9);
        uint64 provided = _grant(BOB, -1000, 6, 7);
        _fund(BOB, FUNDS);
        vm.recordLogs();
        _accept(BOB, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, 1000, 6, 7, PRICE / 2);
        emit IPetra.AssetSplit(1, 3, ALICE, 1000, 6, 7);
        emit IPetra.AssetSplit(1, 4, ALICE, KW4, 8, 9);
        emit IPetra.AssetSplit(1, 5, ALICE, KW4, 4, 5);
        emit IPetra.AssetTransferred(3, ALICE, BOB);
        emit IPetra.AssetTransferred(2, BOB, ALICE);
        emit IPetra.OfferPosted(2, 4, PRICE, KW4, 8, 9);
        emit IPetra.OfferPosted(3, 5, PRICE, KW4, 4, 5);
        _assertTold(told);
        _assertAsset(1, ALICE, 3000, 6, 7, 1);
        _assertOpen(1, ALICE, 1, PRICE);
        _assertAsset(2, ALICE, -1000, 6, 7, 0);
        _assertAsset(3, BOB, 1000, 6, 7, 0);
        _assertAsset(4, ALICE, KW4, 8, 9, 2);
        _assertOpen(2, ALICE, 4, PRICE);
        _assertAsset(5, ALICE, KW4, 4, 5, 3);
        _assertOpen(3, ALICE, 5, PRICE);
    }

    function test_of_an_ask_after_keeps_the_ids_where_nothing_is_left_inside() public {
        _ask(4, 9);
        uint64 provided = _grant(BOB, -KW4, 6, 7);
        _fund(BOB, FUNDS);
        vm.recordLogs();
        _accept(BOB, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, KW4, 6, 7, 2 * PRICE);
        emit IPetra.AssetSplit(1, 3, ALICE, KW4, 6, 7);
        emit IPetra.AssetSplit(1, 4, ALICE, KW4, 4, 5);
        emit IPetra.AssetTransferred(3, ALICE, BOB);
        emit IPetra.AssetTransferred(2, BOB, ALICE);
        emit IPetra.OfferPosted(2, 4, PRICE, KW4, 4, 5);
        _assertTold(told);
        _assertAsset(1, ALICE, KW4, 8, 9, 1);
        _assertAsset(4, ALICE, KW4, 4, 5, 2);
    }

    function test_of_an_ask_before_keeps_the_ids_where_nothing_else_is_left() public {
        _ask(4, 9);
        uint64 provided = _grant(BOB, -KW4, 6, 9);
        _fund(BOB, FUNDS);
        vm.recordLogs();
        _accept(BOB, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, KW4, 6, 9, 4 * PRICE);
        emit IPetra.AssetSplit(1, 3, ALICE, KW4, 6, 9);
        emit IPetra.AssetTransferred(3, ALICE, BOB);
        emit IPetra.AssetTransferred(2, BOB, ALICE);
        _assertTold(told);
        _assertAsset(1, ALICE, KW4, 4, 5, 1);
        _assertOpen(1, ALICE, 1, PRICE);
    }

    function test_of_the_acceptors_asset_the_same_pieces_remain_unlocked() public {
        uint64 offered = _grant(ALICE, 1000, 6, 7);
        _post(ALICE, offered, PRICE);
        uint64 provided = _grant(BOB, -KW4, 4, 9);
        _fund(BOB, FUNDS);
        vm.recordLogs();
        _accept(BOB, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, 1000, 6, 7, PRICE / 2);
        emit IPetra.AssetSplit(2, 3, BOB, -1000, 6, 7);
        emit IPetra.AssetSplit(2, 4, BOB, -KW4, 8, 9);
        emit IPetra.AssetSplit(2, 5, BOB, -KW4, 4, 5);
        emit IPetra.AssetTransferred(1, ALICE, BOB);
        emit IPetra.AssetTransferred(3, BOB, ALICE);
        _assertTold(told);
        _assertClosed(1);
        _assertAsset(2, BOB, -3000, 6, 7, 0);
        _assertAsset(4, BOB, -KW4, 8, 9, 0);
        _assertAsset(5, BOB, -KW4, 4, 5, 0);
        vm.assertTrue(petra.spent(3), "what was sold is spent");
        vm.assertTrue(!petra.spent(2) && !petra.spent(4) && !petra.spent(5), "what remains is not");
    }

    function test_of_a_bid_the_remainders_keep_their_escrow() public {
        _bid(4, 9);
        uint64 provided = _grant(ALICE, 1000, 6, 7);
        vm.recordLogs();
        _accept(ALICE, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, -1000, 6, 7, PRICE / 2);
        emit IPetra.AssetSplit(1, 3, BOB, -1000, 6, 7);
        emit IPetra.AssetSplit(1, 4, BOB, -KW4, 8, 9);
        emit IPetra.AssetSplit(1, 5, BOB, -KW4, 4, 5);
        emit IPetra.AssetTransferred(3, BOB, ALICE);
        emit IPetra.AssetTransferred(2, ALICE, BOB);
        emit IPetra.OfferPosted(2, 4, PRICE, -KW4, 8, 9);
        emit IPetra.OfferPosted(3, 5, PRICE, -KW4, 4, 5);
        _assertTold(told);
        _assertBalance(ALICE, PRICE / 2);
        _assertBalance(BOB, FUNDS - 6 * PRICE);
        _rescind(BOB, 1);
        _rescind(BOB, 2);
        _rescind(BOB, 3);
        _assertBalance(BOB, FUNDS - PRICE / 2);
    }

    function test_what_rounding_leaves_of_an_escrow_goes_back_at_once() public {
        // 1 W over 2 timesteps at 2001 nano-units: 1.0005 for the whole, 0.50025 for each half.
        uint64 bid = _grant(BOB, -1, 4, 5);
        _fund(BOB, 1);
        _post(BOB, bid, 2001);
        _assertBalance(BOB, 0);
        uint64 provided = _grant(ALICE, 1, 4, 4);
        vm.recordLogs();
        _accept(ALICE, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, -1, 4, 4, 0);
        emit IPetra.AssetSplit(1, 3, BOB, -1, 4, 4);
        emit IPetra.AssetTransferred(3, BOB, ALICE);
        emit IPetra.AssetTransferred(2, ALICE, BOB);
        emit IPetra.EscrowReleased(1, 1);
        _assertTold(told);
        _assertBalance(BOB, 1);
    }

    /// 1 W over one timestep at 4000 nano-units a kWh costs exactly 1.
    function test_an_ask_of_one_watt_for_one_nano_unit() public {
        _post(ALICE, _grant(ALICE, 1, 4, 5), 4000);
        uint64 provided = _grant(BOB, -1, 4, 4);
        _fund(BOB, 1);
        vm.recordLogs();
        _accept(BOB, 1, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(1, 2, 1, 4, 4, 1);
        emit IPetra.AssetSplit(1, 3, ALICE, 1, 4, 4);
        emit IPetra.AssetTransferred(3, ALICE, BOB);
        emit IPetra.AssetTransferred(2, BOB, ALICE);
        _assertTold(told);
        _assertAsset(1, ALICE, 1, 5, 5, 1);
        vm.assertTrue(petra.spent(2) && !petra.spent(3), "only the permit is spent");
        _assertBalance(ALICE, 1);
        _assertBalance(BOB, 0);
    }

    function test_a_bid_of_one_watt_for_one_nano_unit() public {
        _fund(BOB, 2);
        _post(BOB, _grant(BOB, -1, 4, 5), 4000);
        _accept(ALICE, 1, _grant(ALICE, 1, 4, 4));
        _assertAsset(1, BOB, -1, 5, 5, 1);
        _assertAsset(3, ALICE, -1, 4, 4, 0);
        vm.assertTrue(petra.spent(3) && !petra.spent(2), "only the permit is spent");
        _assertBalance(ALICE, 1);
        _assertBalance(BOB, 0);
        _rescind(BOB, 1);
        _assertBalance(BOB, 1);
    }

    /// 1 W over one timestep of 7 s at this price is 4 nano-units and the smallest part of one that there is.
    function test_the_acceptor_of_an_ask_pays_the_ceiling_of_the_smallest_excess() public {
        IPetra.Terms memory terms = _terms();
        terms.timestepSeconds = 7;
        petra = _deploy(terms);
        uint64 price = 2_057_143;
        vm.assertEq(7 * uint256(price), 4 * 3_600_000 + 1, "what it costs");
        _post(ALICE, _grant(ALICE, 1, 1000, 1000), price);
        _fund(BOB, 5);
        _accept(BOB, 1, _grant(BOB, -1, 1000, 1000));
        _assertBalance(ALICE, 5);
        _assertBalance(BOB, 0);
    }

    function test_one_watt_may_be_left_inside() public {
        _post(ALICE, _grant(ALICE, 2, 4, 4), 4000);
        _fund(BOB, 1);
        _accept(BOB, 1, _grant(BOB, -1, 4, 4));
        _assertAsset(1, ALICE, 1, 4, 4, 1);
        _assertAsset(3, BOB, 1, 4, 4, 0);
    }

    function test_price_0_moves_energy_only() public {
        _post(ALICE, _grant(ALICE, KW4, 4, 5), 0);
        _accept(BOB, 1, _grant(BOB, -KW4, 4, 5));
        _assertAsset(1, BOB, KW4, 4, 5, 0);
        _assertBalance(ALICE, 0);
    }

    function test_indivisible_assets_change_hands_whole() public {
        IPetra.Terms memory terms = _terms();
        terms.divisible = false;
        petra = _deploy(terms);
        _ask(4, 5);
        uint64 provided = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        _at(2);
        _accept(BOB, 1, provided);
        _assertAsset(1, BOB, KW4, 4, 5, 0);
        _assertAsset(2, ALICE, -KW4, 4, 5, 0);
    }

    /* PROPERTIES OF EVERY TRADE */

    struct Trade {
        uint32 offeredPower;
        uint8 offeredStart;
        uint8 offeredLength;
        uint32 providedPower;
        uint8 providedStart;
        uint8 providedLength;
        uint64 price;
        uint8 now_;
        bool isAsk;
    }

    /// Posts at timestep 0, accepts later; small intervals, so that most pairs overlap.
    function _trade(Trade memory trade) internal returns (bool traded) {
        int64 side = trade.isAsk ? int64(1) : int64(-1);
        uint64 offeredStart = _bound(trade.offeredStart, 2, 12);
        uint64 providedStart = _bound(trade.providedStart, 2, 12);
        uint64 offeredPower = _bound(trade.offeredPower, 1, 10_000);
        uint64 providedPower = _bound(trade.providedPower, 1, 10_000);
        _grant(ALICE, side * int64(offeredPower), offeredStart, offeredStart + _bound(trade.offeredLength, 0, 8));
        _grant(BOB, -side * int64(providedPower), providedStart, providedStart + _bound(trade.providedLength, 0, 8));
        _fund(ALICE, FUNDS);
        _fund(BOB, FUNDS);
        _post(ALICE, 1, _bound(trade.price, 0, PRICE));
        _at(_bound(trade.now_, 0, 12));
        vm.prank(BOB);
        (traded,) = address(petra).call(abi.encodeCall(petra.acceptOffer, (1, 2)));
    }

    /// Watts at a timestep, of one side, over all assets or those of one owner.
    function _powerAt(uint64 timestep, bool isProduction, address owner) internal view returns (int256 sum) {
        for (uint64 id = 1; id <= 8; ++id) {
            (address owner_, int64 power, uint64 start, uint64 end,) = petra.assets(id);
            bool counts = (power > 0) == isProduction && (owner == address(0) || owner == owner_);
            if (counts && start <= timestep && timestep <= end) sum += power;
        }
    }

    function testFuzz_a_trade_keeps_energy_per_timestep_and_side(Trade memory trade) public {
        bool traded = _trade(trade);
        (uint256 offered, uint256 provided) =
            (_bound(trade.offeredPower, 1, 10_000), _bound(trade.providedPower, 1, 10_000));
        uint64 common = uint64(offered < provided ? offered : provided);
        uint64 moved = 0;
        for (uint64 timestep = 0; timestep <= 20; ++timestep) {
            int256 sold = _powerAt(timestep, true, trade.isAsk ? BOB : ALICE);
            int256 bought = -_powerAt(timestep, false, trade.isAsk ? ALICE : BOB);
            vm.assertEq(sold, bought, "equal energy moves both ways");
            vm.assertTrue(sold == 0 || sold == int256(uint256(common)), "at the smaller power");
            if (sold != 0) {
                ++moved;
                vm.assertTrue(timestep > petra.currentTimestep() + GATE, "nothing behind the gate moves");
            }
            uint64 start = _bound(trade.offeredStart, 2, 12);
            bool inOffered = start <= timestep && timestep <= start + _bound(trade.offeredLength, 0, 8);
            int256 total = _powerAt(timestep, trade.isAsk, address(0));
            vm.assertEq(total < 0 ? -total : total, inOffered ? int256(offered) : int256(0), "offered side");
        }
        vm.assertEq(traded, moved > 0, "something moved exactly if it was accepted");
    }

    function testFuzz_a_trade_keeps_money_and_leaves_each_open_bid_its_escrow(Trade memory trade) public {
        _trade(trade);
        uint256 escrow = 0;
        for (uint64 offerID = 1; offerID <= 3; ++offerID) {
            (, uint64 assetID, uint64 price, bool open) = petra.offers(offerID);
            (, int64 power, uint64 start, uint64 end, uint64 back) = petra.assets(assetID);
            if (open) vm.assertEq(back, offerID, "an open offer and its asset name each other");
            if (open && power < 0) escrow += uint256(uint64(-power)) * (end - start + 1) * T * price / 3_600_000;
        }
        vm.assertEq(petra.balances(ALICE) + petra.balances(BOB) + escrow, 2 * FUNDS, "money");
        for (uint64 offerID = 1; offerID <= 3; ++offerID) {
            (address poster,,, bool open) = petra.offers(offerID);
            if (open) _rescind(poster, offerID);
        }
        vm.assertEq(petra.balances(ALICE) + petra.balances(BOB), 2 * FUNDS, "all escrow can be had back");
    }
}
