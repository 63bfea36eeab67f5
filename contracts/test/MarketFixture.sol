// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {MockMarket} from "./mocks/MockMarket.sol";

/// @title A deployment that trades through a market: BOB has a permit (asset 1) and money, ALICE has production (asset 2)
abstract contract MarketFixture is Fixture {
    uint64 internal constant BID = 1;
    uint64 internal constant ASK = 2;

    MockMarket internal market;

    function setUp() public virtual override {
        super.setUp();
        market = new MockMarket();
        IPetra.Terms memory terms = _terms();
        terms.market = address(market);
        petra = _deploy(terms);
        market.connect(petra);
        _grant(BOB, -KW4, 4, 9);
        _grant(ALICE, KW4, 4, 9);
        _fund(BOB, FUNDS);
    }

    function _lock(address owner, uint64 assetID, uint64 money) internal {
        vm.prank(owner);
        market.lock(assetID, money);
    }

    function _lockBoth(uint64 money) internal {
        _lock(BOB, BID, money);
        _lock(ALICE, ASK, 0);
    }

    /// Sells BOB's permit to ALICE: from now on it is spent.
    function _spend() internal {
        _lockBoth(0);
        market.settle(BID, ASK, KW4, 4, 9, 0);
    }
}
