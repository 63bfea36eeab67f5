// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPetra} from "./IPetra.sol";
import {
    energyOf,
    magnitude,
    max,
    min,
    paymentRoundedDown,
    paymentRoundedUp,
    saturated,
    withSign
} from "./Quantities.sol";

/// @title PETra's ledger
/// @notice IPetra.sol is the manual: read it first. This is the implementation and adds nothing to its meaning.
/// @dev Every verb checks everything, then changes the state, then tells what it changed (a trade tells each change as it
/// is made, in the order of the manual). Nothing outside is called, so nobody can come in between.
/// No sum of money overflows: what is on the ledger is at most 2^64 - 1, and that is checked where money is issued.
contract Petra is IPetra {
    /* CONSTANTS */

    uint256 internal constant MAX_GRANTS = 200;
    uint64 internal constant MAX_END = 2 ** 48 - 1;
    /// The offer id of an asset that the market has locked.
    uint64 internal constant MARKET_LOCK = type(uint64).max;

    /* IMMUTABLES: the terms */

    address internal immutable DSO;
    address internal immutable ISSUER;
    address internal immutable MARKET;
    uint64 internal immutable GENESIS;
    uint32 internal immutable TIMESTEP_SECONDS;
    uint32 internal immutable GATE;
    uint32 internal immutable MAX_LENGTH;
    uint64 internal immutable MAX_PRICE;
    uint32 internal immutable PRICE_PERIOD;
    bool internal immutable DIVISIBLE;

    /* STORAGE */

    /// Two words; all zero before it is issued and after it is deposited. offerID 0: neither on offer nor locked.
    struct Asset {
        address owner;
        uint64 offerID;
        bool spent;
        int64 power;
        uint64 start;
        uint64 end;
        uint64 lockedMoney;
    }

    /// One word. While it is open, its poster is the asset's owner. Its escrow is computed, never stored.
    struct Offer {
        uint64 assetID;
        uint64 price;
        bool open;
    }

    /// One word.
    struct Holder {
        uint64 balance;
        bool energyGranted;
        bool moneyGranted;
    }

    /// One word.
    struct PeriodPrice {
        uint64 price;
        bool isSet;
    }

    mapping(uint64 assetID => Asset) internal _assets;
    mapping(uint64 offerID => Offer) internal _offers;
    mapping(address holder => Holder) internal _holders;
    mapping(uint64 period => PeriodPrice) internal _prices;
    uint64 internal _lastAssetID;
    uint64 internal _lastOfferID;
    uint64 internal _moneyOnLedger;

    /* VALUES OF A TRADE, in memory only */

    /// What changes hands: the same power over the same timesteps of both assets.
    struct Part {
        uint64 power;
        uint64 start;
        uint64 end;
    }

    /// What became of one of the two assets. If a live piece remains, it has kept the asset's id.
    struct Split {
        bool remains;
        uint64 tradedID;
        uint64 afterID; // A further live piece, now under an id of its own; 0 = none.
        uint64 beforeID; // Likewise.
    }

    /* CONSTRUCTOR */

    constructor(Terms memory t) {
        if (t.dso == address(0) || t.timestepSeconds < 4 || t.timestepSeconds > 3600 || t.maxLength == 0) {
            revert InvalidTerms();
        }
        DSO = t.dso;
        ISSUER = t.issuer;
        MARKET = t.market;
        GENESIS = t.genesis;
        TIMESTEP_SECONDS = t.timestepSeconds;
        GATE = t.gate;
        MAX_LENGTH = t.maxLength;
        MAX_PRICE = t.maxPrice;
        PRICE_PERIOD = t.pricePeriod;
        DIVISIBLE = t.divisible;
    }

    /* ISSUE */

    /// @inheritdoc IPetra
    function addEnergyAsset(address anonAddress, int64 power, uint64 start, uint64 end)
        external
        returns (uint64 assetID)
    {
        if (msg.sender != DSO && msg.sender != ISSUER) revert NotIssuer(msg.sender);
        return _issueEnergy(anonAddress, power, start, end);
    }

    /// @inheritdoc IPetra
    function addFinancialBalance(address anonAddress, uint64 amount) external {
        if (msg.sender != DSO && msg.sender != ISSUER) revert NotIssuer(msg.sender);
        _issueMoney(anonAddress, amount);
    }

    /// @inheritdoc IPetra
    function addAssets(EnergyGrant[] calldata energy, FinancialGrant[] calldata money) external {
        if (msg.sender != DSO && msg.sender != ISSUER) revert NotIssuer(msg.sender);
        uint256 count = energy.length + money.length;
        if (count == 0 || count > MAX_GRANTS) revert BatchOutOfBounds(count);

        for (uint256 i = 0; i < energy.length; ++i) {
            _issueEnergy(energy[i].anonAddress, energy[i].power, energy[i].start, energy[i].end);
        }
        for (uint256 i = 0; i < money.length; ++i) {
            _issueMoney(money[i].anonAddress, money[i].amount);
        }
    }

    /* TRADE */

    /// @inheritdoc IPetra
    function postOffer(uint64 assetID, uint64 price) external returns (uint64 offerID) {
        if (MARKET != address(0)) revert MarketOnly();
        Asset memory asset = _givableAsset(assetID, msg.sender);
        _checkGate(asset.start, asset.end);
        _checkPrice(assetID, asset, price);
        uint64 escrow = _toMoney(_escrow(asset, price));

        _take(msg.sender, escrow);
        return _openOffer(assetID, price);
    }

    /// @inheritdoc IPetra
    function rescindOffer(uint64 offerID) external {
        Offer memory offer = _offerThatIsOpen(offerID);
        Asset storage stored = _assets[offer.assetID];
        Asset memory asset = stored;
        if (asset.owner != msg.sender) revert NotOwner(offer.assetID, msg.sender);

        _offers[offerID].open = false;
        stored.offerID = 0;
        emit OfferRescinded(offerID);
        _releaseEscrow(offerID, msg.sender, _escrow(asset, offer.price));
    }

    /// @inheritdoc IPetra
    function acceptOffer(uint64 offerID, uint64 assetID) external {
        if (MARKET != address(0)) revert MarketOnly();
        Offer memory offer = _offerThatIsOpen(offerID);
        Asset memory offered = _assets[offer.assetID];
        if (offered.owner == msg.sender) revert OwnOffer(offerID);
        Asset memory provided = _givableAsset(assetID, msg.sender);
        (Part memory part, uint256 firstTradeable) = _commonPart(offer.assetID, offered, assetID, provided);
        bool isAsk = offered.power > 0;
        uint256 energy = _energy(part.power, part.start, part.end);
        // The acceptor chooses the split, so the payment is rounded against it.
        uint64 payment =
            _toMoney(isAsk ? paymentRoundedUp(energy, offer.price) : paymentRoundedDown(energy, offer.price));

        // The acceptor pays an ask from its balance; a bid is paid from its own escrow.
        if (isAsk) _take(msg.sender, payment);
        _give(isAsk ? offered.owner : msg.sender, payment);
        emit OfferAccepted(offerID, assetID, withSign(part.power, isAsk), part.start, part.end, payment);
        (Split memory split,) = _swap(offer.assetID, assetID, part, firstTradeable);

        // What remains live stays on offer at the same price; escrow that it does not need goes back. The escrow always
        // suffices: it is a floor, and the floors of an energy's parts together never exceed the floor of the whole.
        uint256 needed = split.remains ? _escrow(_assets[offer.assetID], offer.price) : 0;
        if (!split.remains) _offers[offerID].open = false;
        if (split.afterID != 0) needed += _reoffer(split.afterID, offer.price);
        if (split.beforeID != 0) needed += _reoffer(split.beforeID, offer.price);
        if (!isAsk) _releaseEscrow(offerID, offered.owner, _escrow(offered, offer.price) - payment - needed);
    }

    /* DEPOSIT */

    /// @inheritdoc IPetra
    function depositEnergyAsset(uint64 assetID) external {
        _unlockedAsset(assetID, msg.sender);

        delete _assets[assetID];
        emit AssetDeposited(msg.sender, assetID);
    }

    /// @inheritdoc IPetra
    function depositFinancial(uint64 amount) external {
        if (amount == 0) revert AmountZero();

        _take(msg.sender, amount);
        _moneyOnLedger -= amount;
        emit FinancialDeposited(msg.sender, amount);
    }

    /* PRICES */

    /// @inheritdoc IPetra
    function setPrice(uint64 period, uint64 price) external {
        if (msg.sender != DSO) revert NotDso(msg.sender);
        if (PRICE_PERIOD == 0) revert PricePeriodsUnused();
        if (_prices[period].isSet) revert PriceAlreadySet(period);
        uint256 first = uint256(period) * PRICE_PERIOD;
        if (first < _firstTradeable()) revert GateClosed(saturated(first), _firstTradeable());
        if (price > MAX_PRICE) revert PriceTooHigh(price);

        _prices[period] = PeriodPrice({price: price, isSet: true});
        emit PriceSet(period, price);
    }

    /// @inheritdoc IPetra
    function recordSchedule(uint64 from, bytes32 hash) external {
        if (msg.sender != DSO) revert NotDso(msg.sender);

        emit ScheduleRecorded(from, hash);
    }

    /* MARKET */

    /// @inheritdoc IPetra
    function lock(address owner, uint64 assetID, uint64 money) external {
        if (msg.sender != MARKET) revert NotMarket(msg.sender);
        _givableAsset(assetID, owner);

        _take(owner, money);
        _assets[assetID].offerID = MARKET_LOCK;
        _assets[assetID].lockedMoney = money;
        emit MarketLocked(assetID, money);
    }

    /// @inheritdoc IPetra
    function unlock(uint64 assetID) external {
        if (msg.sender != MARKET) revert NotMarket(msg.sender);
        Asset memory asset = _existingAsset(assetID);
        if (asset.offerID != MARKET_LOCK) revert AssetNotLocked(assetID);

        _assets[assetID].offerID = 0;
        _returnLockedMoney(assetID, asset.owner);
    }

    /// @inheritdoc IPetra
    function settle(uint64 bidAsset, uint64 askAsset, int64 power, uint64 start, uint64 end, uint64 payment) external {
        if (msg.sender != MARKET) revert NotMarket(msg.sender);
        if (power <= 0) revert PowerOutOfBounds(power);
        Asset memory bid = _existingAsset(bidAsset);
        Asset memory ask = _existingAsset(askAsset);
        if (bid.offerID != MARKET_LOCK) revert AssetNotLocked(bidAsset);
        if (ask.offerID != MARKET_LOCK) revert AssetNotLocked(askAsset);
        if (bid.power > 0 || ask.power < 0) revert SameSide(bidAsset, askAsset);
        if (power > -bid.power || power > ask.power) revert PowerOutOfBounds(power);
        bool isInside = max(bid.start, ask.start) <= start && end <= min(bid.end, ask.end);
        if (start > end || !isInside) revert IntervalOutOfBounds(start, end);
        if (bid.lockedMoney < payment) revert InsufficientBalance(bid.owner, bid.lockedMoney, payment);

        _assets[bidAsset].lockedMoney -= payment;
        _give(ask.owner, payment);
        emit MarketSettled(bidAsset, askAsset, power, start, end, payment);
        Part memory part = Part({power: uint64(power), start: start, end: end});
        (Split memory bidSplit, Split memory askSplit) = _swap(bidAsset, askAsset, part, 0);
        if (!bidSplit.remains && bid.lockedMoney > payment) _returnLockedMoney(bidAsset, bid.owner);
        if (!askSplit.remains && ask.lockedMoney > 0) _returnLockedMoney(askAsset, ask.owner);
    }

    /* EVIDENCE */

    /// @inheritdoc IPetra
    function protest(bytes32 hash) external {
        emit Protest(hash);
    }

    /* VIEWS */

    /// @inheritdoc IPetra
    function terms() external view returns (Terms memory) {
        return
            Terms(DSO, ISSUER, MARKET, GENESIS, TIMESTEP_SECONDS, GATE, MAX_LENGTH, MAX_PRICE, PRICE_PERIOD, DIVISIBLE);
    }

    /// @inheritdoc IPetra
    function assets(uint64 assetID)
        external
        view
        returns (address owner, int64 power, uint64 start, uint64 end, uint64 offerID)
    {
        Asset memory asset = _assets[assetID];
        return (asset.owner, asset.power, asset.start, asset.end, asset.offerID);
    }

    /// @inheritdoc IPetra
    function spent(uint64 assetID) external view returns (bool) {
        return _assets[assetID].spent;
    }

    /// @inheritdoc IPetra
    function offers(uint64 offerID) external view returns (address poster, uint64 assetID, uint64 price, bool open) {
        Offer memory offer = _offers[offerID];
        poster = offer.open ? _assets[offer.assetID].owner : address(0);
        return (poster, offer.assetID, offer.price, offer.open);
    }

    /// @inheritdoc IPetra
    function balances(address holder) external view returns (uint64) {
        return _holders[holder].balance;
    }

    /// @inheritdoc IPetra
    function currentTimestep() external view returns (uint64) {
        return saturated(_currentTimestep());
    }

    /* INTERNAL: checks */

    function _offerThatIsOpen(uint64 offerID) internal view returns (Offer memory offer) {
        offer = _offers[offerID];
        // An id, no balance that another could push past a value: equality is meant.
        // slither-disable-next-line incorrect-equality
        if (offer.assetID == 0) revert UnknownOffer(offerID);
        if (!offer.open) revert OfferNotOpen(offerID);
    }

    function _existingAsset(uint64 assetID) internal view returns (Asset memory asset) {
        asset = _assets[assetID];
        if (asset.owner == address(0)) revert UnknownAsset(assetID);
    }

    function _unlockedAsset(uint64 assetID, address owner) internal view returns (Asset memory asset) {
        asset = _existingAsset(assetID);
        if (asset.owner != owner) revert NotOwner(assetID, owner);
        if (asset.offerID != 0) revert AssetIsLocked(assetID);
    }

    function _givableAsset(uint64 assetID, address owner) internal view returns (Asset memory asset) {
        asset = _unlockedAsset(assetID, owner);
        if (asset.spent) revert AssetIsSpent(assetID);
    }

    /// What two assets can still exchange: the smaller power over the tradeable part of the common interval.
    function _commonPart(uint64 offeredID, Asset memory offered, uint64 providedID, Asset memory provided)
        internal
        view
        returns (Part memory part, uint256 firstTradeable)
    {
        // Sides, bounds and powers of two stored assets, no balances or times of the chain: equality is meant.
        // slither-disable-start incorrect-equality
        if ((offered.power > 0) == (provided.power > 0)) revert SameSide(offeredID, providedID);
        bool isSameInterval = offered.start == provided.start && offered.end == provided.end;
        bool isWhole = isSameInterval && offered.power == -provided.power;
        // slither-disable-end incorrect-equality
        if (!DIVISIBLE && !isWhole) revert Indivisible(offeredID, providedID);
        part.power = min(magnitude(offered.power), magnitude(provided.power));
        part.start = max(offered.start, provided.start);
        part.end = min(offered.end, provided.end);
        if (part.start > part.end) revert IntervalsDisjoint(offeredID, providedID);
        firstTradeable = _checkGate(part.start, part.end);
        // What passed the gate ends no earlier than firstTradeable, which therefore fits.
        if (part.start < firstTradeable) part.start = uint64(firstTradeable);
    }

    /// Divisible assets are cut at the gate, so their end decides; indivisible ones are traded whole or not at all.
    function _checkGate(uint64 start, uint64 end) internal view returns (uint256 firstTradeable) {
        firstTradeable = _firstTradeable();
        uint64 decisive = DIVISIBLE ? end : start;
        if (decisive < firstTradeable) revert GateClosed(decisive, firstTradeable);
    }

    function _checkPrice(uint64 assetID, Asset memory asset, uint64 price) internal view {
        if (price > MAX_PRICE) revert PriceTooHigh(price);
        if (PRICE_PERIOD == 0) return;
        uint64 period = asset.start / PRICE_PERIOD;
        if (asset.end / PRICE_PERIOD != period) revert OutsidePricePeriod(assetID);
        PeriodPrice memory periodPrice = _prices[period];
        if (!periodPrice.isSet) revert PriceNotSet(period);
        if (price != periodPrice.price) revert PriceMismatch(price, periodPrice.price);
    }

    /// Refuses what is no amount of money.
    function _toMoney(uint256 amount) internal pure returns (uint64) {
        if (amount > type(uint64).max) revert AmountTooLarge(amount);
        return uint64(amount);
    }

    /* INTERNAL: issue */

    function _issueEnergy(address anonAddress, int64 power, uint64 start, uint64 end)
        internal
        returns (uint64 assetID)
    {
        if (anonAddress == address(0)) revert ZeroAddress();
        if (_holders[anonAddress].energyGranted) revert EnergyAlreadyGranted(anonAddress);
        if (power == 0 || power == type(int64).min) revert PowerOutOfBounds(power);
        if (start > end || end - start >= MAX_LENGTH || end > MAX_END) revert IntervalOutOfBounds(start, end);

        if (anonAddress != DSO) _holders[anonAddress].energyGranted = true;
        assetID = _newAsset(anonAddress, power, start, end);
        emit AssetAdded(anonAddress, assetID, power, start, end);
    }

    function _issueMoney(address anonAddress, uint64 amount) internal {
        if (anonAddress == address(0)) revert ZeroAddress();
        if (_holders[anonAddress].moneyGranted) revert MoneyAlreadyGranted(anonAddress);
        if (amount == 0) revert AmountZero();
        if (amount > type(uint64).max - _moneyOnLedger) revert AmountTooLarge(amount);

        if (anonAddress != DSO) _holders[anonAddress].moneyGranted = true;
        _give(anonAddress, amount);
        _moneyOnLedger += amount;
        emit FinancialAdded(anonAddress, amount);
    }

    /* INTERNAL: assets in a trade */

    /// Exchanges the same part of two assets; a piece that ends before firstLive is dead.
    function _swap(uint64 firstID, uint64 secondID, Part memory part, uint256 firstLive)
        internal
        returns (Split memory first, Split memory second)
    {
        address firstOwner = _assets[firstID].owner;
        address secondOwner = _assets[secondID].owner;
        first = _split(firstID, part, firstLive);
        second = _split(secondID, part, firstLive);
        _transfer(first.tradedID, firstOwner, secondOwner);
        _transfer(second.tradedID, secondOwner, firstOwner);
    }

    /// Divides an asset into the traded part and the pieces inside, after and before it, which together are the asset.
    /// Whether a piece is left is asked of a difference of two stored powers, so equality is meant.
    // slither-disable-start incorrect-equality
    function _split(uint64 assetID, Part memory part, uint256 firstLive) internal returns (Split memory split) {
        Asset memory whole = _assets[assetID];
        bool isProduction = whole.power > 0;
        uint64 inside = magnitude(whole.power) - part.power; // The power that is left over the same timesteps.
        bool hasAfter = whole.end > part.end;
        bool hasBefore = whole.start < part.start;
        // The whole asset moves as it is.
        if (inside == 0 && !hasAfter && !hasBefore) return Split(false, assetID, 0, 0);
        bool isBeforeLive = hasBefore && part.start > firstLive;
        split.remains = inside > 0 || hasAfter || isBeforeLive;

        split.tradedID = _place(assetID, !split.remains, withSign(part.power, isProduction), part.start, part.end);
        if (inside > 0) _place(assetID, true, withSign(inside, isProduction), part.start, part.end);
        if (hasAfter) {
            bool isKept = inside == 0;
            uint64 pieceID = _place(assetID, isKept, whole.power, part.end + 1, whole.end);
            if (!isKept) split.afterID = pieceID;
        }
        if (hasBefore) {
            bool isKept = isBeforeLive && inside == 0 && !hasAfter;
            uint64 pieceID = _place(assetID, isKept, whole.power, whole.start, part.start - 1);
            if (isBeforeLive && !isKept) split.beforeID = pieceID;
        }
    }
    // slither-disable-end incorrect-equality

    /// Lets one piece keep the asset's id; gives any other an id of its own, for the same owner and unlocked.
    function _place(uint64 assetID, bool isKept, int64 power, uint64 start, uint64 end)
        internal
        returns (uint64 pieceID)
    {
        Asset storage asset = _assets[assetID];
        if (isKept) {
            (asset.power, asset.start, asset.end) = (power, start, end);
            return assetID;
        }
        pieceID = _newAsset(asset.owner, power, start, end);
        emit AssetSplit(assetID, pieceID, asset.owner, power, start, end);
    }

    function _newAsset(address owner, int64 power, uint64 start, uint64 end) internal returns (uint64 assetID) {
        assetID = ++_lastAssetID;
        _assets[assetID] = Asset(owner, 0, false, power, start, end, 0);
    }

    /// Unlocks what changes hands; a permit to consume is used up by its purchase.
    function _transfer(uint64 assetID, address from, address to) internal {
        Asset storage asset = _assets[assetID];
        (asset.owner, asset.offerID, asset.spent) = (to, 0, asset.power < 0);
        emit AssetTransferred(assetID, from, to);
    }

    /* INTERNAL: offers and money */

    function _openOffer(uint64 assetID, uint64 price) internal returns (uint64 offerID) {
        offerID = ++_lastOfferID;
        Asset storage asset = _assets[assetID];
        asset.offerID = offerID;
        _offers[offerID] = Offer(assetID, price, true);
        emit OfferPosted(offerID, assetID, price, asset.power, asset.start, asset.end);
    }

    function _reoffer(uint64 assetID, uint64 price) internal returns (uint256 escrow) {
        _openOffer(assetID, price);
        return _escrow(_assets[assetID], price);
    }

    /// The money that an asset on offer holds: none for an ask.
    function _escrow(Asset memory asset, uint64 price) internal view returns (uint256) {
        if (asset.power > 0) return 0;
        return paymentRoundedDown(_energy(magnitude(asset.power), asset.start, asset.end), price);
    }

    /// The amount is all or a part of an escrow, so it is money.
    function _releaseEscrow(uint64 offerID, address poster, uint256 amount) internal {
        if (amount == 0) return;
        _give(poster, uint64(amount));
        emit EscrowReleased(offerID, uint64(amount));
    }

    function _returnLockedMoney(uint64 assetID, address owner) internal {
        uint64 money = _assets[assetID].lockedMoney;
        _assets[assetID].lockedMoney = 0;
        _give(owner, money);
        emit MarketUnlocked(assetID, money);
    }

    /// Takes free money from a holder. Of every verb that does so, this is the last check and the first change.
    function _take(address holder, uint64 amount) internal {
        if (amount == 0) return;
        uint64 balance = _holders[holder].balance;
        if (balance < amount) revert InsufficientBalance(holder, balance, amount);
        _holders[holder].balance = balance - amount;
    }

    function _give(address holder, uint64 amount) internal {
        if (amount > 0) _holders[holder].balance += amount;
    }

    function _energy(uint64 power, uint64 start, uint64 end) internal view returns (uint256) {
        return energyOf(power, end - start + 1, TIMESTEP_SECONDS);
    }

    /* INTERNAL: time */

    function _currentTimestep() internal view returns (uint256) {
        return block.timestamp < GENESIS ? 0 : (block.timestamp - GENESIS) / TIMESTEP_SECONDS;
    }

    function _firstTradeable() internal view returns (uint256) {
        return _currentTimestep() + GATE + 1;
    }
}
