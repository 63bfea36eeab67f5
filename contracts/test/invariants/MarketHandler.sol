// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../../src/IPetra.sol";
import {MockMarket} from "../mocks/MockMarket.sol";
import {Handler} from "./Handler.sol";
import {Pool} from "./Pool.sol";

/// @title The same where a market trades: `post` locks, `accept` settles a part that the market chooses
contract MarketHandler is Handler {
    using Pool for Pool.Ids;

    MockMarket internal immutable MARKET_MOCK;

    constructor(MockMarket market) Handler(address(market), 0, true) {
        MARKET_MOCK = market;
        market.connect(petra);
    }

    /* VERBS */

    function _tryPost(uint256 chance) internal override {
        uint64 assetID = _drawTradeable(chance);
        if (assetID == 0) return;
        Asset memory asset = _assets[assetID];
        uint64 money = uint64((chance / 2 ** 64) % (balance[asset.owner] / 4 + 1));
        if (chance % 8 == 0) money = 0;
        vm.prank(asset.owner);
        MARKET_MOCK.lock(assetID, money);
        balance[asset.owner] -= money;
        lockedMoney[assetID] = money;
        require(_noteAsset(assetID).offerID == MARKET_LOCK, "the asset is locked");
    }

    function _tryAccept(uint256 chance) internal override {
        if (_pool(LOCKED).size() == 0) return;
        uint64 bidID = _pool(LOCKED).draw(chance);
        uint64 askID = _drawAsk(bidID, chance / 2 ** 16);
        if (askID == 0) return;
        if (_assets[bidID].power > 0) (bidID, askID) = (askID, bidID);
        Trade memory trade = _tradeOf(bidID, _assets[bidID], askID, _assets[askID]);
        _choosePart(trade, chance / 2 ** 32);
        uint64 payment = uint64((chance / 2 ** 64) % (uint256(lockedMoney[bidID]) + 1));
        MARKET_MOCK.settle(bidID, askID, int64(trade.power), trade.start, trade.end, payment);
        _checkTrade(trade);
        lockedMoney[bidID] -= payment;
        balance[trade.second.owner] += payment;
        _checkLocked(bidID, trade.first.owner);
        _checkLocked(askID, trade.second.owner);
        for (uint64 id = trade.lastKnownID + 1; id <= lastAssetID; ++id) {
            require(_assets[id].offerID == 0, "a piece with an id of its own is unlocked");
        }
    }

    function _takeBack(uint256 chance) internal override {
        if (chance % 4 == 0) {
            if (_pool(LOCKED).size() > 0) _unlockNow(_pool(LOCKED).draw(chance / 4));
        } else if (chance % 4 == 1) {
            _depositFrom(chance % 3 == 0 ? _pool(FREE) : _pool(PAST), chance / 4);
        } else if (chance % 4 == 2) {
            _depositFrom(_pool(SPENT), chance / 4);
        } else {
            address holder = holders[(chance / 4) % holders.length];
            if (balance[holder] > 0) _depositMoneyNow(holder, uint64(balance[holder] / 4 + 1));
        }
    }

    function _refuse(uint256 chance) internal override {
        if (chance % 4 == 0) return _refuseIssue(chance / 4);
        if (chance % 4 == 1) return _refuseMarket(chance / 4);
        if (chance % 4 == 2) return _refuseSpent(chance / 4);
        if (_pool(LOCKED).size() == 0) return;
        uint64 assetID = _pool(LOCKED).draw(chance / 4);
        address owner = _assets[assetID].owner;
        _refuses(IPetra.AssetIsLocked.selector, assetID);
        _depositAsset(owner, assetID);
        _refuses(IPetra.MarketOnly.selector);
        _post(owner, assetID, 0);
    }

    function takeAllBack() external override {
        while (_pool(LOCKED).size() > 0) _unlockNow(_pool(LOCKED).draw(0));
        _depositAll();
    }

    /* CHOICES */

    function _drawCounterpartOfWish(uint256 chance) internal view override returns (uint64 assetID) {
        return _pool(LOCKED).size() == 0 ? 0 : _pool(LOCKED).draw(chance);
    }

    function _drawAsk(uint64 bidID, uint256 chance) internal view returns (uint64 askID) {
        uint256 tries = _pool(LOCKED).size() < 3 * TRIES ? _pool(LOCKED).size() : 3 * TRIES;
        for (uint256 i = 0; i < tries; ++i) {
            askID = _pool(LOCKED).draw(chance + i);
            Asset storage bid = _assets[bidID];
            Asset storage ask = _assets[askID];
            bool isOpposite = (bid.power > 0) != (ask.power > 0) && bid.owner != ask.owner;
            if (isOpposite && bid.start <= ask.end && ask.start <= bid.end) return askID;
        }
        return 0;
    }

    /// The market has no gate and need not trade all that is common.
    function _choosePart(Trade memory trade, uint256 chance) internal pure {
        trade.start = trade.first.start > trade.second.start ? trade.first.start : trade.second.start;
        trade.firstLive = 0;
        if (chance % 4 > 0) return;
        trade.power = _bound(chance / 4, 1, trade.power);
        trade.start = _bound(chance / 2 ** 16, trade.start, trade.end);
        trade.end = _bound(chance / 2 ** 20, trade.start, trade.end);
    }

    /* THE LAW OF A LOCK IN A SETTLEMENT */

    /// What keeps the id and the owner stays locked, with the rest of its money; of anything else the money returns.
    function _checkLocked(uint64 assetID, address owner) internal {
        bool remains = _assets[assetID].owner == owner;
        require(_assets[assetID].offerID == (remains ? MARKET_LOCK : 0), "what is left stays locked");
        if (!remains) _returnMoney(assetID, owner);
    }

    function _returnMoney(uint64 assetID, address owner) internal {
        balance[owner] += lockedMoney[assetID];
        lockedMoney[assetID] = 0;
    }

    function _unlockNow(uint64 assetID) internal {
        MARKET_MOCK.unlock(assetID);
        Asset memory asset = _noteAsset(assetID);
        _returnMoney(assetID, asset.owner);
    }

    /// A permit that changed hands cannot be locked.
    function _refuseSpent(uint256 chance) internal override {
        if (_pool(SPENT).size() == 0) return;
        uint64 assetID = _pool(SPENT).draw(chance);
        vm.prank(_assets[assetID].owner);
        _refuses(IPetra.AssetIsSpent.selector, assetID);
        MARKET_MOCK.lock(assetID, 0);
    }
}
