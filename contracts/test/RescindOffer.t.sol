// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract RescindOfferTest is Fixture {
    function test_refuses_an_offer_that_never_was() public {
        _refuses(IPetra.UnknownOffer.selector, 1);
        _rescind(MALLORY, 1);
        _refuses(IPetra.UnknownOffer.selector, 0);
        _rescind(MALLORY, 0);
    }

    function test_refuses_an_offer_that_was_rescinded() public {
        uint64 offerID = _post(ALICE, _grant(ALICE, KW4, 4, 5), PRICE);
        _rescind(ALICE, offerID);
        _refuses(IPetra.OfferNotOpen.selector, offerID);
        _rescind(MALLORY, offerID);
    }

    function test_refuses_an_offer_that_was_accepted() public {
        uint64 offerID = _post(ALICE, _grant(ALICE, KW4, 4, 5), PRICE);
        _fund(BOB, FUNDS);
        _accept(BOB, offerID, _grant(BOB, -KW4, 4, 5));
        _refuses(IPetra.OfferNotOpen.selector, offerID);
        _rescind(ALICE, offerID);
    }

    function test_refuses_anybody_but_the_poster() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        uint64 offerID = _post(ALICE, assetID, PRICE);
        _refuses(IPetra.NotOwner.selector, assetID, MALLORY);
        _rescind(MALLORY, offerID);
    }

    function test_takes_an_ask_back_and_tells() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        uint64 offerID = _post(ALICE, assetID, PRICE);
        vm.recordLogs();
        _rescind(ALICE, offerID);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferRescinded(offerID);
        _assertTold(told);
        _assertClosed(offerID);
        _assertAsset(assetID, ALICE, KW4, 4, 5, 0);
    }

    function test_takes_a_bid_back_with_its_escrow_and_tells() public {
        uint64 assetID = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        uint64 offerID = _post(BOB, assetID, PRICE);
        vm.recordLogs();
        _rescind(BOB, offerID);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferRescinded(offerID);
        emit IPetra.EscrowReleased(offerID, 2 * PRICE);
        _assertTold(told);
        _assertAsset(assetID, BOB, -KW4, 4, 5, 0);
        _assertBalance(BOB, FUNDS);
    }

    function test_a_bid_at_price_0_has_no_escrow_to_release() public {
        uint64 offerID = _post(BOB, _grant(BOB, -KW4, 4, 5), 0);
        vm.recordLogs();
        _rescind(BOB, offerID);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.OfferRescinded(offerID);
        _assertTold(told);
    }

    function testFuzz_is_never_too_late(uint64 now_) public {
        uint64 assetID = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        uint64 offerID = _post(BOB, assetID, PRICE);
        vm.warp(GENESIS + uint256(now_));
        _rescind(BOB, offerID);
        _assertBalance(BOB, FUNDS);
    }

    function test_the_same_asset_may_be_posted_again_under_a_new_id() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        _rescind(ALICE, _post(ALICE, assetID, PRICE));
        vm.assertEq(_post(ALICE, assetID, PRICE), 2, "offer id");
    }
}
