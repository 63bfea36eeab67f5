// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

/// @title The rules that PETra adds to the paper, one story for each
contract RulesTest is Fixture {
    function _person(uint160 number) internal pure returns (address) {
        return address(0x1000 + number);
    }

    function test_many_buyers_take_parts_of_one_offer_in_one_block() public {
        uint64 asset = _grant(ALICE, 50 * 80, 4, 4);
        uint64 offerID = _post(ALICE, asset, PRICE);
        for (uint160 i = 0; i < 50; ++i) {
            _fund(_person(i), PRICE);
            _accept(_person(i), offerID, _grant(_person(i), -80, 4, 4));
        }
        _assertClosed(offerID);
        _assertBalance(ALICE, PRICE);
        _assertAsset(asset, _person(49), 80, 4, 4, 0);
    }

    function test_one_buyer_sends_several_accepts_of_one_asset_in_a_row() public {
        uint64 permit = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        for (uint160 i = 0; i < 3; ++i) {
            uint64 offerID = _post(_person(i), _grant(_person(i), 1000, 4, 5), PRICE);
            _accept(BOB, offerID, permit);
        }
        _assertAsset(permit, BOB, -1000, 4, 5, 0);
        _assertBalance(BOB, FUNDS - 3 * PRICE / 2);
    }

    function test_a_lost_race_is_a_smaller_fill_at_the_same_price() public {
        uint64 offerID = _post(ALICE, _grant(ALICE, KW4, 4, 4), PRICE);
        uint64 first = _grant(BOB, -3000, 4, 4);
        uint64 second = _grant(CAROL, -3000, 4, 4);
        _fund(BOB, FUNDS);
        _fund(CAROL, FUNDS);
        _accept(BOB, offerID, first);
        _accept(CAROL, offerID, second);
        _assertBalance(CAROL, FUNDS - PRICE / 4);
        _assertAsset(second, CAROL, -2000, 4, 4, 0);
    }

    function test_at_most_four_pieces_remain_of_a_trade_and_the_dead_ones_are_unlocked() public {
        uint64 offered = _grant(ALICE, KW4, 4, 9);
        uint64 offerID = _post(ALICE, offered, PRICE);
        uint64 provided = _grant(BOB, -3000, 5, 12);
        _fund(BOB, FUNDS);
        _at(4); // 6 is the first tradeable timestep.
        vm.recordLogs();
        _accept(BOB, offerID, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(offerID, provided, 3000, 6, 9, 3 * PRICE);
        emit IPetra.AssetSplit(offered, 3, ALICE, 3000, 6, 9);
        emit IPetra.AssetSplit(offered, 4, ALICE, KW4, 4, 5);
        emit IPetra.AssetSplit(provided, 5, BOB, -3000, 6, 9);
        emit IPetra.AssetSplit(provided, 6, BOB, -3000, 5, 5);
        emit IPetra.AssetTransferred(3, ALICE, BOB);
        emit IPetra.AssetTransferred(5, BOB, ALICE);
        _assertTold(told);
        _assertAsset(offered, ALICE, 1000, 6, 9, offerID);
        _assertAsset(4, ALICE, KW4, 4, 5, 0);
        _assertAsset(provided, BOB, -3000, 10, 12, 0);
        _assertAsset(6, BOB, -3000, 5, 5, 0);
    }

    function test_where_only_a_dead_piece_remains_the_traded_part_keeps_the_id_and_the_offer_closes() public {
        uint64 offered = _grant(ALICE, KW4, 4, 9);
        uint64 offerID = _post(ALICE, offered, PRICE);
        uint64 provided = _grant(BOB, -KW4, 4, 9);
        _fund(BOB, FUNDS);
        _at(4);
        vm.recordLogs();
        _accept(BOB, offerID, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(offerID, provided, KW4, 6, 9, 4 * PRICE);
        emit IPetra.AssetSplit(offered, 3, ALICE, KW4, 4, 5);
        emit IPetra.AssetSplit(provided, 4, BOB, -KW4, 4, 5);
        emit IPetra.AssetTransferred(offered, ALICE, BOB);
        emit IPetra.AssetTransferred(provided, BOB, ALICE);
        _assertTold(told);
        _assertClosed(offerID);
        _assertAsset(offered, BOB, KW4, 6, 9, 0);
        _assertAsset(3, ALICE, KW4, 4, 5, 0);
        _assertAsset(4, BOB, -KW4, 4, 5, 0);
        vm.assertTrue(!petra.spent(4), "what did not change hands is not spent");
    }

    function test_the_dead_piece_of_a_bid_returns_with_its_escrow() public {
        _fund(BOB, FUNDS);
        uint64 offerID = _post(BOB, _grant(BOB, -KW4, 4, 9), PRICE);
        uint64 provided = _grant(ALICE, 1000, 4, 9);
        _at(4);
        vm.recordLogs();
        _accept(ALICE, offerID, provided);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferAccepted(offerID, provided, -1000, 6, 9, PRICE);
        emit IPetra.AssetSplit(1, 3, BOB, -1000, 6, 9);
        emit IPetra.AssetSplit(1, 4, BOB, -KW4, 4, 5);
        emit IPetra.AssetSplit(2, 5, ALICE, 1000, 4, 5);
        emit IPetra.AssetTransferred(3, BOB, ALICE);
        emit IPetra.AssetTransferred(2, ALICE, BOB);
        emit IPetra.EscrowReleased(offerID, 2 * PRICE);
        _assertTold(told);
        _assertAsset(4, BOB, -KW4, 4, 5, 0);
        _assertBalance(BOB, FUNDS - 4 * PRICE);
    }

    function test_a_piece_that_reaches_past_the_gate_is_live() public {
        _fund(BOB, FUNDS);
        uint64 offered = _grant(ALICE, KW4, 4, 9);
        uint64 offerID = _post(ALICE, offered, PRICE);
        uint64 provided = _grant(BOB, -KW4, 7, 9);
        _at(4); // 6 is the first tradeable timestep, so [4, 6] still holds one.
        _accept(BOB, offerID, provided);
        _assertAsset(offered, ALICE, KW4, 4, 6, offerID);
        _assertOpen(offerID, ALICE, offered, PRICE);
    }

    function test_a_permit_that_changed_hands_can_only_be_deposited() public {
        _fund(BOB, FUNDS);
        uint64 permit = _grant(BOB, -KW4, 4, 5);
        _accept(BOB, _post(ALICE, _grant(ALICE, KW4, 4, 5), PRICE), permit);
        uint64 other = _post(CAROL, _grant(CAROL, KW4, 4, 5), 0);
        _refuses(IPetra.AssetIsSpent.selector, permit);
        _accept(ALICE, other, permit);
        _refuses(IPetra.AssetIsSpent.selector, permit);
        _post(ALICE, permit, 0);
        _depositAsset(ALICE, permit);
        _assertUnknown(permit);
    }

    function test_production_may_be_resold() public {
        uint64 production = _grant(ALICE, KW4, 4, 5);
        uint64 offerID = _post(ALICE, production, PRICE);
        uint64 permitOfBob = _grant(BOB, -KW4, 4, 5);
        uint64 permitOfCarol = _grant(CAROL, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        _fund(CAROL, FUNDS);
        _accept(BOB, offerID, permitOfBob);
        _accept(CAROL, _post(BOB, production, 2 * PRICE), permitOfCarol);
        _assertAsset(production, CAROL, KW4, 4, 5, 0);
        _assertBalance(BOB, FUNDS + 2 * PRICE);
        vm.assertTrue(petra.spent(permitOfBob) && petra.spent(permitOfCarol), "each purchase used up a permit");
    }

    function test_an_address_is_granted_energy_and_money_once_for_ever() public {
        _fund(BOB, FUNDS);
        _depositAsset(BOB, _grant(BOB, -KW4, 4, 5));
        _depositMoney(BOB, FUNDS);
        _refuses(IPetra.EnergyAlreadyGranted.selector, BOB);
        _grant(BOB, -KW4, 4, 5);
        _refuses(IPetra.MoneyAlreadyGranted.selector, BOB);
        _fund(BOB, FUNDS);
    }

    function test_trading_does_not_count_as_a_grant() public {
        _fund(BOB, FUNDS);
        _accept(BOB, _post(ALICE, _grant(ALICE, KW4, 4, 5), PRICE), _grant(BOB, -KW4, 4, 5));
        _fund(ALICE, FUNDS);
        _assertBalance(ALICE, FUNDS + 2 * PRICE);
    }

    /// 1 W over one timestep is 1/4000 kWh.
    function testFuzz_the_payment_is_rounded_against_the_acceptor(uint64 price) public {
        price = _bound(price, 0, MAX_PRICE);
        _fund(BOB, FUNDS);
        uint64 ask = _post(ALICE, _grant(ALICE, 1, 4, 4), price);
        _accept(BOB, ask, _grant(BOB, -1, 4, 4));
        uint64 ceiling = (price + 3999) / 4000;
        _assertBalance(ALICE, ceiling);
        _assertBalance(BOB, FUNDS - ceiling);
        _fund(CAROL, FUNDS);
        uint64 bid = _post(CAROL, _grant(CAROL, -1, 4, 4), price);
        _accept(_person(1), bid, _grant(_person(1), 1, 4, 4));
        _assertBalance(_person(1), price / 4000);
        _assertBalance(CAROL, FUNDS - price / 4000);
    }

    /// BOB has exactly the escrow of the whole bid: however it is cut up, it is enough, and what rounding leaves returns.
    function testFuzz_the_escrow_is_never_short_however_the_bid_is_cut(uint64 price, uint64[6] memory cuts) public {
        price = _bound(price, 1, MAX_PRICE);
        uint64 escrow = uint64(uint256(977) * 7 * T * price / 3_600_000);
        if (escrow == 0) return;
        _fund(BOB, escrow);
        _post(BOB, _grant(BOB, -977, 4, 10), price);
        uint64 paid = 0;
        for (uint160 i = 0; i < cuts.length; ++i) {
            uint64 start = _bound(cuts[i], 4, 10);
            uint64 end = _bound(cuts[i] >> 8, start, 10);
            uint64 offered = _grant(_person(i), int64(_bound(cuts[i] >> 16, 1, 400)), start, end);
            vm.prank(_person(i));
            (bool traded,) =
                address(petra).call(abi.encodeCall(petra.acceptOffer, (_bound(cuts[i] >> 40, 1, 3), offered)));
            if (traded) paid += petra.balances(_person(i));
        }
        for (uint64 offerID = 1; offerID <= 20; ++offerID) {
            (,,, bool open) = petra.offers(offerID);
            if (open) _rescind(BOB, offerID);
        }
        _assertBalance(BOB, escrow - paid);
    }

    function test_an_open_offer_outlives_its_gate_only_to_be_rescinded() public {
        uint64 asset = _grant(ALICE, KW4, 4, 5);
        uint64 offerID = _post(ALICE, asset, PRICE);
        uint64 permit = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        _at(4);
        _refuses(IPetra.GateClosed.selector, 5, 6);
        _accept(BOB, offerID, permit);
        _rescind(ALICE, offerID);
        _depositAsset(ALICE, asset);
    }
}
