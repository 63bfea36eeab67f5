// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract DepositEnergyAssetTest is Fixture {
    function test_refuses_an_asset_that_never_was() public {
        _refuses(IPetra.UnknownAsset.selector, 1);
        _depositAsset(MALLORY, 1);
    }

    function test_refuses_a_deposited_asset() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        _depositAsset(ALICE, assetID);
        _refuses(IPetra.UnknownAsset.selector, assetID);
        _depositAsset(ALICE, assetID);
    }

    function test_refuses_a_foreign_asset() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        _post(ALICE, assetID, PRICE);
        _refuses(IPetra.NotOwner.selector, assetID, MALLORY);
        _depositAsset(MALLORY, assetID);
    }

    function test_refuses_an_asset_on_offer() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        _post(ALICE, assetID, PRICE);
        _refuses(IPetra.AssetIsLocked.selector, assetID);
        _depositAsset(ALICE, assetID);
    }

    function test_removes_the_asset_and_tells() public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        vm.recordLogs();
        _depositAsset(ALICE, assetID);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.AssetDeposited(ALICE, assetID);
        _assertTold(told);
        _assertUnknown(assetID);
    }

    function test_takes_a_spent_asset() public {
        uint64 offerID = _post(ALICE, _grant(ALICE, KW4, 4, 5), PRICE);
        uint64 permit = _grant(BOB, -KW4, 4, 5);
        _fund(BOB, FUNDS);
        _accept(BOB, offerID, permit);
        vm.assertTrue(petra.spent(permit), "spent");
        _depositAsset(ALICE, permit);
        _assertUnknown(permit);
        vm.assertTrue(!petra.spent(permit), "forgotten");
    }

    function testFuzz_is_never_too_late(uint64 now_) public {
        uint64 assetID = _grant(ALICE, KW4, 4, 5);
        vm.warp(GENESIS + uint256(now_));
        _depositAsset(ALICE, assetID);
        _assertUnknown(assetID);
    }

    function test_an_id_is_never_used_again() public {
        _depositAsset(ALICE, _grant(ALICE, KW4, 4, 5));
        vm.assertEq(_grant(BOB, -KW4, 4, 5), 2, "next id");
    }
}
