// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../../src/IPetra.sol";
import {Fixture} from "../Fixture.sol";
import {Pool} from "./Pool.sol";

/// @title What the ledger must hold, kept beside it and checked by laws that know nothing of pieces and ids
/// @dev After a verb the assets and offers that it names are compared with the law of that verb and then noted. Whatever
/// else changes on the ledger differs from the note, which the invariants find. Money is computed, never read.
abstract contract Ghost is Fixture {
    using Pool for Pool.Ids;
    using Pool for Pool.Sets;

    struct Asset {
        address owner;
        uint64 offerID;
        bool spent;
        int64 power;
        uint64 start;
        uint64 end;
    }

    struct Offer {
        address poster;
        uint64 assetID;
        uint64 price;
        bool open;
    }

    /// What a trade must do: `power` over [start, end] of both assets changes hands, and nothing else.
    struct Trade {
        uint64 firstID;
        uint64 secondID;
        Asset first;
        Asset second;
        uint64 power;
        uint64 start;
        uint64 end;
        uint256 firstLive;
        uint64 lastKnownID; // of an asset, before the trade
    }

    uint64 internal lastAssetID;
    uint64 internal lastOfferID;
    uint64 internal lastTimestep;
    address[] internal holders;
    mapping(uint64 assetID => Asset) internal _assets;
    mapping(uint64 offerID => Offer) internal _offers;
    mapping(address holder => uint256 money) internal balance;
    mapping(uint64 assetID => uint64 money) internal lockedMoney;
    mapping(bool isProduction => mapping(uint64 timestep => uint256 watts)) internal issued;
    mapping(bool isProduction => mapping(uint64 timestep => uint256 watts)) internal deposited;
    uint256 internal issuedMoney;
    uint256 internal depositedMoney;
    mapping(address holder => uint256 count) internal energyGrants;
    mapping(address holder => uint256 count) internal moneyGrants;

    IPetra.Terms internal world;

    // Where an asset can be; "past" once it was seen that its time has passed.
    uint256 internal constant LOCKED = 1; // by the market
    uint256 internal constant FREE = 2; // may be given
    uint256 internal constant PAST = 3; // unspent, but only to be deposited
    uint256 internal constant SPENT = 4; // only to be deposited
    Pool.Sets internal _assetPools;

    // Where an offer can be.
    uint256 internal constant OPEN = 1;
    uint256 internal constant OPEN_PAST = 2;
    Pool.Sets internal _offerPools;

    // Tallies: shape 0..4 = nothing, inside, after, before, dead before; side 0 = the offered (the bid's) asset.
    uint256 public calls;
    uint256 public trades;
    uint256 public refusals;
    uint256[5][2] public shapes;
    uint256[7] public pieces;

    /* NOTES */

    function _readAsset(uint64 assetID) internal view returns (Asset memory asset) {
        (asset.owner, asset.power, asset.start, asset.end, asset.offerID) = petra.assets(assetID);
        asset.spent = petra.spent(assetID);
    }

    function _exists(uint64 assetID) internal view returns (bool) {
        (address owner,,,,) = petra.assets(assetID);
        return owner != address(0);
    }

    function _noteAsset(uint64 assetID) internal returns (Asset memory asset) {
        (asset.owner, asset.power, asset.start, asset.end, asset.offerID) = petra.assets(assetID);
        asset.spent = asset.power < 0 && petra.spent(assetID);
        _assets[assetID] = asset;
        _assetPools.file(assetID, _poolOf(asset));
    }

    function _poolOf(Asset memory asset) internal view returns (uint256) {
        if (asset.owner == address(0)) return 0;
        if (asset.offerID != 0) return asset.offerID == MARKET_LOCK ? LOCKED : 0;
        if (asset.spent) return SPENT;
        return _isTradeable(asset.start, asset.end) ? FREE : PAST;
    }

    function _pool(uint256 number) internal view returns (Pool.Ids storage) {
        return _assetPools.sets[number];
    }

    function _offerPool(uint256 number) internal view returns (Pool.Ids storage) {
        return _offerPools.sets[number];
    }

    function _readOffer(uint64 offerID) internal view returns (Offer memory offer) {
        (offer.poster, offer.assetID, offer.price, offer.open) = petra.offers(offerID);
    }

    function _noteOffer(uint64 offerID) internal returns (Offer memory offer) {
        offer = _readOffer(offerID);
        _offers[offerID] = offer;
        bool isPast = !_isTradeable(_assets[offer.assetID].start, _assets[offer.assetID].end);
        _offerPools.file(offerID, !offer.open ? 0 : isPast ? OPEN_PAST : OPEN);
    }

    function _noteGrant(address holder, int64 power, uint64 start, uint64 end) internal {
        ++energyGrants[holder];
        Asset memory asset = _noteAsset(++lastAssetID);
        bool isAsGranted =
            asset.owner == holder && asset.power == power && asset.start == start && asset.end == end && !asset.spent;
        require(isAsGranted && asset.offerID == 0, "the asset is what was granted");
        for (uint64 timestep = start; timestep <= end; ++timestep) {
            issued[power > 0][timestep] += _magnitude(power);
        }
        if (end > lastTimestep) lastTimestep = end;
    }

    function _noteMoney(address holder, uint64 amount) internal {
        ++moneyGrants[holder];
        balance[holder] += amount;
        issuedMoney += amount;
    }

    function _noteDeposit(uint64 assetID, Asset memory asset) internal {
        for (uint64 timestep = asset.start; timestep <= asset.end; ++timestep) {
            deposited[asset.power > 0][timestep] += _magnitude(asset.power);
        }
        require(_noteAsset(assetID).owner == address(0), "a deposited asset is gone");
    }

    /* THE LAW OF A TRADE */

    /// Watts by holder (0: the first asset's, 1: the second's), side and timestep.
    function _book(int256[] memory book, Trade memory trade, Asset memory asset, int256 sign) internal pure {
        uint256 holder = asset.owner == trade.first.owner ? 0 : 1;
        require(holder == 0 || asset.owner == trade.second.owner, "no third holder");
        uint64 base = trade.first.start < trade.second.start ? trade.first.start : trade.second.start;
        uint256 row = (2 * holder + (asset.power > 0 ? 1 : 0)) * (book.length / 4);
        int256 watts = sign * int256(uint256(_magnitude(asset.power)));
        for (uint256 i = row + asset.start - base; i <= row + asset.end - base; ++i) {
            book[i] += watts;
        }
    }

    /// The part of an asset that changes hands, in the hands of `owner`.
    function _part(Trade memory trade, Asset memory asset, address owner) internal pure returns (Asset memory part) {
        part.power = asset.power > 0 ? int64(trade.power) : -int64(trade.power);
        (part.owner, part.start, part.end) = (owner, trade.start, trade.end);
    }

    /// Every holder has, per side and timestep, what it had, less what it gave, plus what it got.
    function _checkTrade(Trade memory trade) internal {
        trade.lastKnownID = lastAssetID;
        while (_exists(lastAssetID + 1)) ++lastAssetID;
        uint64 base = trade.first.start < trade.second.start ? trade.first.start : trade.second.start;
        uint64 last = trade.first.end > trade.second.end ? trade.first.end : trade.second.end;
        int256[] memory book = new int256[](4 * (last - base + 1));
        _book(book, trade, trade.first, 1);
        _book(book, trade, trade.second, 1);
        _book(book, trade, _part(trade, trade.first, trade.first.owner), -1);
        _book(book, trade, _part(trade, trade.second, trade.second.owner), -1);
        _book(book, trade, _part(trade, trade.first, trade.second.owner), 1);
        _book(book, trade, _part(trade, trade.second, trade.first.owner), 1);
        _checkPiece(book, trade, trade.firstID);
        _checkPiece(book, trade, trade.secondID);
        for (uint64 id = trade.lastKnownID + 1; id <= lastAssetID; ++id) {
            _checkPiece(book, trade, id);
        }
        for (uint256 i = 0; i < book.length; ++i) {
            require(book[i] == 0, "watts of a holder in a timestep");
        }
        ++trades;
        uint256 count = _tally(0, trade, trade.first) + _tally(1, trade, trade.second);
        ++pieces[count];
        // Either a piece keeps the id and the traded part gets a new one, or the traded part keeps it.
        require(lastAssetID - trade.lastKnownID == count, "as many new ids as pieces");
    }

    function _checkPiece(int256[] memory book, Trade memory trade, uint64 id) internal {
        Asset memory piece = _noteAsset(id);
        _book(book, trade, piece, -1);
        address consumer = trade.first.power < 0 ? trade.first.owner : trade.second.owner;
        require(piece.spent == (piece.power < 0 && piece.owner != consumer), "spent: a permit that changed hands");
    }

    function _tally(uint256 side, Trade memory trade, Asset memory asset) internal returns (uint256 count) {
        if (_magnitude(asset.power) > trade.power) (count, shapes[side][1]) = (count + 1, shapes[side][1] + 1);
        if (asset.end > trade.end) (count, shapes[side][2]) = (count + 1, shapes[side][2] + 1);
        if (asset.start < trade.start) {
            uint256 shape = trade.start > trade.firstLive ? 3 : 4;
            (count, shapes[side][shape]) = (count + 1, shapes[side][shape] + 1);
        }
        if (count == 0) ++shapes[side][0];
    }

    /* QUANTITIES, by formulas of their own */

    function _magnitude(int64 power) internal pure returns (uint64) {
        return uint64(power > 0 ? power : -power);
    }

    /// Energy times price, in nano-units times 3,600,000.
    function _value(uint64 power, uint64 start, uint64 end, uint64 price) internal pure returns (uint256) {
        return uint256(power) * (uint256(end) + 1 - start) * T * price;
    }

    /// What is set aside for an asset on offer.
    function _escrowOf(uint64 assetID) internal view returns (uint256) {
        Asset memory asset = _assets[assetID];
        if (asset.power > 0 || asset.offerID == 0 || asset.offerID == MARKET_LOCK) return 0;
        return _value(_magnitude(asset.power), asset.start, asset.end, _offers[asset.offerID].price) / 3_600_000;
    }

    /// Divisible assets can be cut at the gate, so their end decides.
    function _isTradeable(uint64 start, uint64 end) internal view returns (bool) {
        return (world.divisible ? end : start) >= _firstTradeable();
    }

    function _firstTradeable() internal view returns (uint64) {
        return uint64((block.timestamp - GENESIS) / T) + GATE + 1;
    }
}
