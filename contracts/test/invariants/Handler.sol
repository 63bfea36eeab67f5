// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../../src/IPetra.sol";
import {MockIssuer} from "../mocks/MockIssuer.sol";
import {Pool} from "./Pool.sol";
import {Promises} from "./Promises.sol";

/// @title Everything that can happen to a deployment, in any order
/// @dev A caller is always entitled to what it does here, so every call must succeed: a verb that is blocked is a
/// failure, too. `refuse` tries what nobody may do. One number of chance decides everything that a verb chooses.
contract Handler is Promises {
    using Pool for Pool.Ids;

    uint64 internal constant LENGTH_MAX = 6;
    uint64 internal constant WATTS_MAX = 5;
    uint64 internal constant MONEY_MAX = 2 * 10 ** 10;
    /// What may still be issued when a run begins: the DSO holds the rest of all money that fits.
    uint64 internal constant ROOM = 10 ** 15;
    uint256 internal constant TRIES = 8;

    MockIssuer internal issuer = new MockIssuer();
    uint160 internal people;
    uint64 internal pricedPeriods = 1;
    mapping(uint64 period => uint64 price) public priceOf;

    constructor(address market, uint32 pricePeriod, bool divisible) {
        world = _terms();
        (world.issuer, world.market) = (address(issuer), market);
        (world.pricePeriod, world.divisible) = (pricePeriod, divisible);
        petra = _deploy(world);
        vm.warp(GENESIS);
        holders.push(DSO);
        _fund(DSO, type(uint64).max - ROOM);
        _noteMoney(DSO, type(uint64).max - ROOM);
        _setPrices();
        for (uint256 i = 0; i < 12; ++i) {
            _grantTo(_newcomer(), uint256(keccak256(abi.encode(i))));
        }
    }

    /// Counts the call and makes its chance, which forge's own numbers would leave lopsided.
    function _count(uint256 seed) internal returns (uint256 chance) {
        return uint256(keccak256(abi.encode(seed, ++calls)));
    }

    /* VERBS */

    /// Somebody new, or the DSO, is granted an asset and money.
    function grant(uint256 seed) external {
        uint256 chance = _count(seed);
        _grantTo(chance % 16 == 0 ? DSO : _newcomer(), chance / 16);
    }

    /// Somebody posts, or accepts where more is on offer than free to be given.
    function post(uint256 seed) external {
        uint256 chance = _count(seed);
        if (_offerPool(OPEN).size() + _pool(LOCKED).size() > _pool(FREE).size()) _tryAccept(chance);
        else _tryPost(chance);
    }

    function accept(uint256 seed) external {
        _tryAccept(_count(seed));
    }

    function _tryPost(uint256 chance) internal virtual {
        uint64 assetID = _drawTradeable(chance);
        if (assetID == 0) return;
        Asset memory asset = _assets[assetID];
        (bool isPriced, uint64 price) = _priceFor(asset, chance / 8);
        if (!isPriced) return;
        uint256 escrow =
            asset.power > 0 ? 0 : _value(_magnitude(asset.power), asset.start, asset.end, price) / 3_600_000;
        if (balance[asset.owner] < escrow) return;
        vm.prank(asset.owner);
        uint64 offerID = petra.postOffer(assetID, price);
        require(offerID == ++lastOfferID, "offers are numbered one by one");
        balance[asset.owner] -= escrow;
        Offer memory offer = _noteOffer(offerID);
        bool isAsPosted = offer.poster == asset.owner && offer.assetID == assetID && offer.price == price && offer.open;
        require(isAsPosted && _noteAsset(assetID).offerID == offerID, "the offer is what was posted");
    }

    function _tryAccept(uint256 chance) internal virtual {
        uint64 offerID = _drawOffer(chance);
        if (offerID == 0) return;
        Offer memory offer = _offers[offerID];
        Asset memory offered = _assets[offer.assetID];
        (uint64 assetID, Trade memory trade) = _drawCounterpart(offer, offered, chance / 8);
        if (assetID == 0) return;
        uint256 escrow = _escrowOf(offer.assetID);
        vm.prank(trade.second.owner);
        petra.acceptOffer(offerID, assetID);
        _checkTrade(trade);
        uint256 stillEscrowed = _checkOffers(offerID, offer, trade);
        uint256 value = _value(trade.power, trade.start, trade.end, offer.price);
        if (offered.power > 0) {
            uint256 payment = (value + 3_600_000 - 1) / 3_600_000;
            balance[trade.second.owner] -= payment;
            balance[offer.poster] += payment;
        } else {
            uint256 payment = value / 3_600_000;
            balance[trade.second.owner] += payment;
            balance[offer.poster] += escrow - payment - stillEscrowed;
        }
    }

    /// Time goes by, somebody takes something back, or somebody tries what nobody may do.
    function meanwhile(uint256 seed) external {
        uint256 chance = _count(seed);
        if (chance % 3 == 0) return _wait(chance / 3);
        if (chance % 3 == 1) return _takeBack(chance / 3);
        ++refusals;
        _refuse(chance / 3);
    }

    /// Takes an offer, an asset or money back. Nobody can block it.
    function _takeBack(uint256 chance) internal virtual {
        if (chance % 4 == 0) {
            _rescindFrom(chance % 3 == 0 ? _offerPool(OPEN) : _offerPool(OPEN_PAST), chance / 4);
        } else if (chance % 4 == 1) {
            _depositFrom(chance % 3 == 0 ? _pool(FREE) : _pool(PAST), chance / 4);
        } else if (chance % 4 == 2) {
            _depositFrom(_pool(SPENT), chance / 4);
        } else {
            address holder = holders[(chance / 4) % holders.length];
            uint64 money = uint64(balance[holder]);
            if (money > 1) _depositMoneyNow(holder, uint64((chance / 2 ** 64) % (money / 2)) + 1);
        }
    }

    function _wait(uint256 chance) internal {
        vm.warp(block.timestamp + chance % 800);
        _setPrices();
    }

    /// Tries what nobody may do, and looks that it is refused for the right reason.
    function _refuse(uint256 chance) internal virtual {
        uint256 kind = chance % 8;
        if (kind < 2) return _refuseIssue(chance / 8);
        if (kind == 2) return _refuseMarket(chance / 8);
        if (kind == 3) return _refusePrices(chance / 8);
        if (kind == 4) return _refuseSpent(chance / 8);
        if (kind == 5) return _refusePast(chance / 8);
        if (_offerPool(OPEN).size() == 0) return;
        uint64 offerID = _offerPool(OPEN).draw(chance / 8);
        Offer memory offer = _offers[offerID];
        if (kind == 6) {
            _refuses(IPetra.OwnOffer.selector, offerID);
            _accept(offer.poster, offerID, offer.assetID);
            _refuses(IPetra.AssetIsLocked.selector, offer.assetID);
            _depositAsset(offer.poster, offer.assetID);
        } else {
            _refuses(IPetra.NotOwner.selector, offer.assetID, MALLORY);
            _rescind(MALLORY, offerID);
            _refuses(IPetra.NotOwner.selector, offer.assetID, MALLORY);
            _depositAsset(MALLORY, offer.assetID);
        }
    }

    /// Everybody takes everything back: then nothing is left on the ledger.
    function takeAllBack() external virtual {
        while (_offerPool(OPEN).size() > 0) _rescindFrom(_offerPool(OPEN), 0);
        while (_offerPool(OPEN_PAST).size() > 0) _rescindFrom(_offerPool(OPEN_PAST), 0);
        _depositAll();
    }

    /* GRANTS */

    function _newcomer() internal returns (address newcomer) {
        newcomer = address(0x1000 + people++);
        holders.push(newcomer);
    }

    function _grantTo(address holder, uint256 chance) internal {
        (int64 power, uint64 start, uint64 end) = _wish(chance);
        if (holder == DSO) {
            uint64 assetID = _grant(holder, power, start, end);
            require(assetID == lastAssetID + 1, "assets are numbered one by one");
        } else {
            IPetra.EnergyGrant[] memory energy = new IPetra.EnergyGrant[](1);
            IPetra.FinancialGrant[] memory money = new IPetra.FinancialGrant[](1);
            energy[0] = IPetra.EnergyGrant(holder, power, start, end);
            money[0] = IPetra.FinancialGrant(holder, _bound(chance / 2 ** 64, 1, MONEY_MAX));
            issuer.issue(petra, energy, money);
            _noteMoney(holder, money[0].amount);
        }
        _noteGrant(holder, power, start, end);
    }

    /// What is asked for: something near now, or something that fits an offer.
    function _wish(uint256 chance) internal view returns (int64 power, uint64 start, uint64 end) {
        uint64 watts = 1000 * (1 + uint64((chance / 2) % WATTS_MAX)) + uint64((chance / 16) % 2);
        power = chance % 2 == 0 ? int64(watts) : -int64(watts);
        start = _firstTradeable() + uint64((chance / 64) % 7);
        start = start < 3 ? 0 : start - 3;
        end = start + uint64((chance / 1024) % LENGTH_MAX);
        (uint64 counterpart, uint256 likeness) = (_drawCounterpartOfWish(chance / 2 ** 20), (chance / 2 ** 14) % 4);
        if (counterpart == 0 || (world.divisible && likeness < 2)) return (power, start, end);
        Asset memory other = _assets[counterpart];
        bool isSamePower = !world.divisible || likeness == 2 || chance % 8 == 0;
        power = isSamePower ? -other.power : (other.power > 0 ? -int64(watts) : int64(watts));
        (start, end) = (other.start, other.end);
    }

    function _drawCounterpartOfWish(uint256 chance) internal view virtual returns (uint64 assetID) {
        return _offerPool(OPEN).size() == 0 ? 0 : _offers[_offerPool(OPEN).draw(chance)].assetID;
    }

    /* CHOICES */

    /// A free asset of which something can still be traded; 0 = none was found. What is past is filed anew.
    function _drawTradeable(uint256 chance) internal returns (uint64 assetID) {
        for (uint256 i = 0; i < TRIES && _pool(FREE).size() > 0; ++i) {
            assetID = _pool(FREE).draw(chance + i);
            if (_isTradeable(_assets[assetID].start, _assets[assetID].end)) return assetID;
            _noteAsset(assetID);
        }
        return 0;
    }

    function _drawOffer(uint256 chance) internal returns (uint64 offerID) {
        for (uint256 i = 0; i < TRIES && _offerPool(OPEN).size() > 0; ++i) {
            offerID = _offerPool(OPEN).draw(chance + i);
            Asset storage asset = _assets[_offers[offerID].assetID];
            if (_isTradeable(asset.start, asset.end)) return offerID;
            _noteOffer(offerID);
        }
        return 0;
    }

    function _drawCounterpart(Offer memory offer, Asset memory offered, uint256 chance)
        internal
        view
        returns (uint64 assetID, Trade memory trade)
    {
        uint256 tries = _pool(FREE).size() < 3 * TRIES ? _pool(FREE).size() : 3 * TRIES;
        for (uint256 i = 0; i < tries; ++i) {
            assetID = _pool(FREE).draw(chance + i);
            if (!_fits(offered, _assets[assetID])) continue;
            Asset memory provided = _assets[assetID];
            trade = _tradeOf(offer.assetID, offered, assetID, provided);
            if (offered.power < 0) return (assetID, trade);
            uint256 value = _value(trade.power, trade.start, trade.end, offer.price);
            if (balance[provided.owner] >= (value + 3_600_000 - 1) / 3_600_000) return (assetID, trade);
        }
        return (0, trade);
    }

    function _fits(Asset memory offered, Asset storage provided) internal view returns (bool) {
        if ((offered.power > 0) == (provided.power > 0) || offered.owner == provided.owner) return false;
        bool isWhole =
            offered.power == -provided.power && offered.start == provided.start && offered.end == provided.end;
        if (!world.divisible && !isWhole) return false;
        uint64 start = offered.start > provided.start ? offered.start : provided.start;
        uint64 end = offered.end < provided.end ? offered.end : provided.end;
        return start <= end && _isTradeable(start, end);
    }

    function _tradeOf(uint64 firstID, Asset memory first, uint64 secondID, Asset memory second)
        internal
        view
        returns (Trade memory trade)
    {
        (trade.firstID, trade.first, trade.secondID, trade.second) = (firstID, first, secondID, second);
        (uint64 one, uint64 other) = (_magnitude(first.power), _magnitude(second.power));
        trade.power = one < other ? one : other;
        trade.start = first.start > second.start ? first.start : second.start;
        trade.end = first.end < second.end ? first.end : second.end;
        trade.firstLive = _firstTradeable();
        if (trade.start < trade.firstLive) trade.start = uint64(trade.firstLive);
    }

    /* PRICES */

    function _priceFor(Asset memory asset, uint256 chance) internal view returns (bool isPriced, uint64 price) {
        if (world.pricePeriod == 0) return (true, uint64(chance % (PRICE + 1)));
        uint64 period = asset.start / world.pricePeriod;
        return (period > 0 && asset.end / world.pricePeriod == period, priceOf[period]);
    }

    /// Prices every period whose first timestep is near; period 0 begins too early to be priced.
    function _setPrices() internal {
        if (world.pricePeriod == 0) return;
        while (pricedPeriods * world.pricePeriod < _firstTradeable() + 20) {
            priceOf[pricedPeriods] = PRICE + pricedPeriods;
            vm.prank(DSO);
            petra.setPrice(pricedPeriods, PRICE + pricedPeriods);
            ++pricedPeriods;
        }
    }

    /* THE LAW OF AN OFFER IN A TRADE */

    /// What the poster still has of the offered asset stays on offer at the same price, unless its time has passed.
    function _checkOffers(uint64 offerID, Offer memory offer, Trade memory trade)
        internal
        returns (uint256 stillEscrowed)
    {
        _noteOffer(offerID);
        (, uint64 assetID,,) = petra.offers(lastOfferID + 1);
        while (assetID != 0) {
            _noteOffer(++lastOfferID);
            (, assetID,,) = petra.offers(lastOfferID + 1);
        }
        stillEscrowed = _checkOffered(trade.firstID, offer, trade) + _checkOffered(trade.secondID, offer, trade);
        for (uint64 id = trade.lastKnownID + 1; id <= lastAssetID; ++id) {
            stillEscrowed += _checkOffered(id, offer, trade);
        }
    }

    function _checkOffered(uint64 id, Offer memory offer, Trade memory trade) internal view returns (uint256) {
        Asset memory asset = _assets[id];
        bool isOffered =
            asset.owner == offer.poster && (asset.power > 0) == (trade.first.power > 0) && asset.end >= trade.firstLive;
        require((asset.offerID != 0) == isOffered, "what is left of an offer stays on offer, and nothing else");
        if (isOffered) require(_offers[asset.offerID].price == offer.price, "at the same price");
        return _escrowOf(id);
    }

    /* TAKING BACK */

    function _rescindFrom(Pool.Ids storage pool, uint256 chance) internal {
        if (pool.size() == 0) return;
        uint64 offerID = pool.draw(chance);
        Offer memory offer = _offers[offerID];
        uint256 escrow = _escrowOf(offer.assetID);
        _rescind(offer.poster, offerID);
        balance[offer.poster] += escrow;
        require(!_noteOffer(offerID).open, "a rescinded offer is closed");
        _noteAsset(offer.assetID);
    }

    function _depositFrom(Pool.Ids storage pool, uint256 chance) internal {
        if (pool.size() == 0) return;
        uint64 assetID = pool.draw(chance);
        Asset memory asset = _assets[assetID];
        _depositAsset(asset.owner, assetID);
        _noteDeposit(assetID, asset);
    }

    function _depositMoneyNow(address holder, uint64 amount) internal {
        _depositMoney(holder, amount);
        balance[holder] -= amount;
        depositedMoney += amount;
    }

    function _depositAll() internal {
        while (_pool(FREE).size() > 0) _depositFrom(_pool(FREE), 0);
        while (_pool(PAST).size() > 0) _depositFrom(_pool(PAST), 0);
        while (_pool(SPENT).size() > 0) _depositFrom(_pool(SPENT), 0);
        for (uint256 i = 0; i < holders.length; ++i) {
            uint64 money = petra.balances(holders[i]);
            require(money == balance[holders[i]], "balance");
            if (money > 0) _depositMoneyNow(holders[i], money);
        }
        require(issuedMoney == depositedMoney, "no money is stuck");
        for (uint64 timestep = 0; timestep <= lastTimestep; ++timestep) {
            require(issued[true][timestep] == deposited[true][timestep], "no production is stuck");
            require(issued[false][timestep] == deposited[false][timestep], "no consumption is stuck");
        }
    }

    /* REFUSALS */

    function _refuseIssue(uint256 chance) internal {
        address holder = holders[chance % holders.length];
        address stranger = chance % 3 == 0 ? MALLORY : holder == DSO ? BOB : holder;
        vm.prank(stranger);
        _refuses(IPetra.NotIssuer.selector, stranger);
        petra.addEnergyAsset(MALLORY, 1, 0, 0);
        vm.prank(stranger);
        _refuses(IPetra.NotIssuer.selector, stranger);
        petra.addFinancialBalance(MALLORY, 1);
        if (holder == DSO) {
            uint256 room = type(uint64).max - (issuedMoney - depositedMoney);
            if (room == type(uint64).max) return;
            vm.prank(DSO);
            _refuses(IPetra.AmountTooLarge.selector, room + 1);
            petra.addFinancialBalance(MALLORY, uint64(room + 1));
        } else {
            vm.prank(chance % 2 == 0 ? DSO : address(issuer));
            _refuses(IPetra.EnergyAlreadyGranted.selector, holder);
            petra.addEnergyAsset(holder, 1, 0, 0);
            vm.prank(chance % 2 == 0 ? DSO : address(issuer));
            _refuses(IPetra.MoneyAlreadyGranted.selector, holder);
            petra.addFinancialBalance(holder, 1);
        }
    }

    function _refuseMarket(uint256 chance) internal {
        uint64 assetID = uint64(1 + chance % lastAssetID);
        address caller = chance % 2 == 0 ? DSO : holders[chance % holders.length];
        vm.prank(caller);
        _refuses(IPetra.NotMarket.selector, caller);
        petra.lock(_assets[assetID].owner, assetID, 0);
        vm.prank(caller);
        _refuses(IPetra.NotMarket.selector, caller);
        petra.settle(assetID, assetID, 1, 0, 0, 0);
    }

    /// A price is set by the DSO, once, and before its time.
    function _refusePrices(uint256 chance) internal {
        uint64 period = uint64(chance % (2 * pricedPeriods));
        vm.prank(MALLORY);
        _refuses(IPetra.NotDso.selector, MALLORY);
        petra.setPrice(period, 1);
        if (world.pricePeriod == 0) return;
        vm.prank(DSO);
        if (period == 0) _refuses(IPetra.GateClosed.selector, 0, _firstTradeable());
        else if (period < pricedPeriods) _refuses(IPetra.PriceAlreadySet.selector, period);
        else _refuses(IPetra.PriceTooHigh.selector, MAX_PRICE + 1);
        petra.setPrice(period, MAX_PRICE + 1);
    }

    /// A permit that changed hands can be neither offered nor given.
    function _refuseSpent(uint256 chance) internal virtual {
        if (_pool(SPENT).size() == 0) return;
        uint64 assetID = _pool(SPENT).draw(chance);
        address owner = _assets[assetID].owner;
        _refuses(IPetra.AssetIsSpent.selector, assetID);
        _post(owner, assetID, 0);
        uint64 offerID = _offerPool(OPEN).size() == 0 ? 0 : _offerPool(OPEN).draw(chance);
        if (offerID == 0 || _offers[offerID].poster == owner) return;
        _refuses(IPetra.AssetIsSpent.selector, assetID);
        _accept(owner, offerID, assetID);
    }

    /// What is past the gate is not offered any more.
    function _refusePast(uint256 chance) internal virtual {
        if (_pool(PAST).size() == 0) return;
        uint64 assetID = _pool(PAST).draw(chance);
        Asset memory asset = _assets[assetID];
        _refuses(IPetra.GateClosed.selector, world.divisible ? asset.end : asset.start, _firstTradeable());
        _post(asset.owner, assetID, 0);
    }
}
