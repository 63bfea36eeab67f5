// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {MarketFixture} from "./MarketFixture.sol";
import {Vm} from "./Vm.sol";

contract UnlockTest is MarketFixture {
    function test_refuses_anybody_but_the_market() public {
        _lock(BOB, BID, FUNDS);
        _refuses(IPetra.NotMarket.selector, BOB);
        vm.prank(BOB);
        petra.unlock(BID);
    }

    function test_refuses_an_asset_that_never_was() public {
        _refuses(IPetra.UnknownAsset.selector, 7);
        market.unlock(7);
    }

    function test_refuses_an_asset_that_is_not_locked() public {
        _refuses(IPetra.AssetNotLocked.selector, BID);
        market.unlock(BID);
    }

    function test_frees_the_asset_returns_the_money_and_tells() public {
        _lock(BOB, BID, FUNDS);
        vm.recordLogs();
        market.unlock(BID);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketUnlocked(BID, FUNDS);
        _assertTold(told);
        _assertAsset(BID, BOB, -KW4, 4, 9, 0);
        _assertBalance(BOB, FUNDS);
    }

    function test_tells_of_an_asset_that_was_locked_without_money_too() public {
        _lock(ALICE, ASK, 0);
        vm.recordLogs();
        market.unlock(ASK);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketUnlocked(ASK, 0);
        _assertTold(told);
    }

    function test_what_was_freed_may_be_locked_again() public {
        _lock(BOB, BID, FUNDS);
        market.unlock(BID);
        _lock(BOB, BID, 1);
        _assertBalance(BOB, FUNDS - 1);
    }
}
