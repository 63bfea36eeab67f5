// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {MarketFixture} from "./MarketFixture.sol";
import {Vm} from "./Vm.sol";

contract LockTest is MarketFixture {
    function test_refuses_anybody_but_the_market() public {
        _refuses(IPetra.NotMarket.selector, DSO);
        vm.prank(DSO);
        petra.lock(MALLORY, 7, FUNDS);
    }

    function test_refuses_everybody_where_there_is_no_market() public {
        petra = _deploy(_terms());
        market.connect(petra);
        _refuses(IPetra.NotMarket.selector, address(market));
        _lock(BOB, BID, 0);
    }

    function test_refuses_an_asset_that_never_was() public {
        _refuses(IPetra.UnknownAsset.selector, 7);
        _lock(MALLORY, 7, FUNDS);
    }

    function test_refuses_an_asset_of_another_than_the_named_owner() public {
        _lock(BOB, BID, 0);
        _refuses(IPetra.NotOwner.selector, BID, MALLORY);
        _lock(MALLORY, BID, FUNDS);
    }

    function test_refuses_a_locked_asset() public {
        _lock(BOB, BID, 0);
        _refuses(IPetra.AssetIsLocked.selector, BID);
        _lock(BOB, BID, FUNDS + 1);
    }

    function test_refuses_a_spent_asset() public {
        _spend();
        _refuses(IPetra.AssetIsSpent.selector, BID);
        _lock(ALICE, BID, FUNDS);
    }

    function test_refuses_more_money_than_the_owner_has() public {
        _refusesInsufficient(BOB, FUNDS, FUNDS + 1);
        _lock(BOB, BID, FUNDS + 1);
    }

    function test_locks_the_asset_and_the_money_and_tells() public {
        vm.recordLogs();
        _lock(BOB, BID, FUNDS);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.MarketLocked(BID, FUNDS);
        _assertTold(told);
        _assertAsset(BID, BOB, -KW4, 4, 9, MARKET_LOCK);
        _assertBalance(BOB, 0);
    }

    function test_a_locked_asset_cannot_be_deposited() public {
        _lock(BOB, BID, 0);
        _refuses(IPetra.AssetIsLocked.selector, BID);
        _depositAsset(BOB, BID);
    }

    function test_locks_production_without_money() public {
        _lock(ALICE, ASK, 0);
        _assertAsset(ASK, ALICE, KW4, 4, 9, MARKET_LOCK);
    }
}
