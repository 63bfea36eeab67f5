// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPetra} from "./IPetra.sol";

/// @title PETra's ledger
/// @notice Read IPetra.sol first: it is the manual, this is its implementation.
/// @dev Every verb checks everything, then changes the state, then tells what it changed. A trade tells each change as it
/// makes it, in the order of the manual. Nothing outside is ever called, so no caller can come in between.
/// Sums of money cannot overflow: money on the ledger never exceeds 2^64 - 1, which is checked where money is issued.
contract Petra is IPetra {
    /* CONSTANTS */

    uint256 internal constant MAX_GRANTS = 200;
    uint64 internal constant MAX_END = 2 ** 48 - 1;
    uint256 internal constant JOULES_PER_KWH = 3_600_000;
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

    /// Two words. Not on offer and not locked: offerID 0. Deposited: all 0.
    struct Asset {
        address owner;
        uint64 offerID;
        bool spent;
        int64 power;
        uint64 start;
        uint64 end;
        uint64 lockedMoney;
    }

    /// One word. The poster is the asset's owner while the offer is open; the escrow is computed.
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

    /// One word. A price of 0 is a price.
    struct PeriodPrice {
        uint64 price;
        bool isSet;
    }

    mapping(uint64 assetID => Asset) internal _assets;
    mapping(uint64 offerID => Offer) internal _offers;
    mapping(address anonAddress => Holder) internal _holders;
    mapping(uint64 period => PeriodPrice) internal _prices;
    uint64 internal _lastAssetID;
    uint64 internal _lastOfferID;
    uint64 internal _moneyOnLedger;

    /* MEMORY */

    /// The part of two assets that changes hands; power is the same positive number for both.
    struct Part {
        uint64 power;
        uint64 start;
        uint64 end;
    }

    /// What became of an asset of which a part was traded.
    struct Split {
        /// The traded part; the asset itself where nothing live remains.
        uint64 tradedID;
        /// A live piece remains under the asset's own id.
        bool remains;
        /// Live pieces that got ids of their own; 0 = none.
        uint64 afterID;
        uint64 beforeID;
    }

    /* CONSTRUCTOR */

    constructor(Terms memory terms_) {
        bool isTimestepUsable = terms_.timestepSeconds >= 4 && terms_.timestepSeconds <= 3600;
        if (terms_.dso == address(0) || !isTimestepUsable || terms_.maxLength == 0) revert InvalidTerms();
        DSO = terms_.dso;
        ISSUER = terms_.issuer;
        MARKET = terms_.market;
        GENESIS = terms_.genesis;
        TIMESTEP_SECONDS = terms_.timestepSeconds;
        GATE = terms_.gate;
        MAX_LENGTH = terms_.maxLength;
        MAX_PRICE = terms_.maxPrice;
        PRICE_PERIOD = terms_.pricePeriod;
        DIVISIBLE = terms_.divisible;
    }

    /* MODIFIERS */

    modifier onlyDso() {
        if (msg.sender != DSO) revert NotDso(msg.sender);
        _;
    }

    modifier onlyIssuer() {
        if (msg.sender != DSO && msg.sender != ISSUER) revert NotIssuer(msg.sender);
        _;
    }

    modifier onlyMarket() {
        if (msg.sender != MARKET) revert NotMarket(msg.sender);
        _;
    }

    modifier onlyWithoutMarket() {
        if (MARKET != address(0)) revert MarketOnly();
        _;
    }

    /* ISSUE */

    /// @inheritdoc IPetra
    function addEnergyAsset(address anonAddress, int64 power, uint64 start, uint64 end)
        external
        onlyIssuer
        returns (uint64 assetID)
    {
        return _issueEnergy(anonAddress, power, start, end);
    }

    /// @inheritdoc IPetra
    function addFinancialBalance(address anonAddress, uint64 amount) external onlyIssuer {
        _issueMoney(anonAddress, amount);
    }

    /// @inheritdoc IPetra
    function addAssets(EnergyGrant[] calldata energy, FinancialGrant[] calldata money) external onlyIssuer {
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
    function postOffer(uint64 assetID, uint64 price) external onlyWithoutMarket returns (uint64 offerID) {
        Asset memory asset = _givableAssetOf(assetID, msg.sender);
        _checkGate(asset.start, asset.end);
        _checkPrice(assetID, asset, price);
        uint64 escrow = _toMoney(_escrow(asset, price));
        _checkBalance(msg.sender, escrow);

        _holders[msg.sender].balance -= escrow;
        return _offerAsset(assetID, price);
    }

    /// @inheritdoc IPetra
    function rescindOffer(uint64 offerID) external {
        Offer memory offer = _openOfferOf(offerID);
        Asset memory asset = _assets[offer.assetID];
        if (asset.owner != msg.sender) revert NotOwner(offer.assetID, msg.sender);

        _offers[offerID].open = false;
        _assets[offer.assetID].offerID = 0;
        emit OfferRescinded(offerID);
        _releaseEscrow(offerID, msg.sender, _escrow(asset, offer.price));
    }

    /// @inheritdoc IPetra
    function acceptOffer(uint64 offerID, uint64 assetID) external onlyWithoutMarket {
        Offer memory offer = _openOfferOf(offerID);
        Asset memory offered = _assets[offer.assetID];
        if (offered.owner == msg.sender) revert OwnOffer(offerID);
        Asset memory provided = _givableAssetOf(assetID, msg.sender);
        if ((offered.power > 0) == (provided.power > 0)) revert SameSide(offer.assetID, assetID);
        (Part memory part, uint256 firstTradeable) = _commonPart(offer.assetID, offered, assetID, provided);
        bool isAsk = offered.power > 0;
        uint256 energy = _energy(part.power, part.start, part.end);
        uint64 payment = _toMoney(isAsk ? _paymentRoundedUp(energy, offer.price) : _paymentRoundedDown(energy, offer.price));
        if (isAsk) _checkBalance(msg.sender, payment);

        // An ask is paid by the acceptor, a bid from its own escrow.
        if (isAsk) _holders[msg.sender].balance -= payment;
        _holders[isAsk ? offered.owner : msg.sender].balance += payment;
        emit OfferAccepted(offerID, assetID, _signed(part.power, isAsk), part.start, part.end, payment);
        (Split memory split,) = _swap(offer.assetID, assetID, part, firstTradeable);

        // What is left of the offer stays on offer at the same price. The floors of parts never exceed the floor of the whole.
        uint256 needed = 0;
        if (split.remains) needed = _escrow(_assets[offer.assetID], offer.price);
        else _offers[offerID].open = false;
        if (split.afterID != 0) needed += _reoffer(split.afterID, offer.price);
        if (split.beforeID != 0) needed += _reoffer(split.beforeID, offer.price);
        if (!isAsk) _releaseEscrow(offerID, offered.owner, _escrow(offered, offer.price) - payment - needed);
    }

    /* DEPOSIT */

    /// @inheritdoc IPetra
    function depositEnergyAsset(uint64 assetID) external {
        _unlockedAssetOf(assetID, msg.sender);

        delete _assets[assetID];
        emit AssetDeposited(msg.sender, assetID);
    }

    /// @inheritdoc IPetra
    function depositFinancial(uint64 amount) external {
        if (amount == 0) revert AmountZero();
        _checkBalance(msg.sender, amount);

        _holders[msg.sender].balance -= amount;
        _moneyOnLedger -= amount;
        emit FinancialDeposited(msg.sender, amount);
    }

    /* PRICES */

    /// @inheritdoc IPetra
    function setPrice(uint64 period, uint64 price) external onlyDso {
        if (PRICE_PERIOD == 0) revert PricePeriodsUnused();
        if (_prices[period].isSet) revert PriceAlreadySet(period);
        uint256 first = uint256(period) * PRICE_PERIOD;
        uint256 firstTradeable = _firstTradeable();
        if (first < firstTradeable) revert GateClosed(_saturated(first), firstTradeable);
        if (price > MAX_PRICE) revert PriceTooHigh(price);

        _prices[period] = PeriodPrice({price: price, isSet: true});
        emit PriceSet(period, price);
    }

    /// @inheritdoc IPetra
    function recordSchedule(uint64 from, bytes32 hash) external onlyDso {
        emit ScheduleRecorded(from, hash);
    }

    /* MARKET */

    /// @inheritdoc IPetra
    function lock(address owner, uint64 assetID, uint64 money) external onlyMarket {
        _givableAssetOf(assetID, owner);
        _checkBalance(owner, money);

        _holders[owner].balance -= money;
        _assets[assetID].offerID = MARKET_LOCK;
        _assets[assetID].lockedMoney = money;
        emit MarketLocked(assetID, money);
    }

    /// @inheritdoc IPetra
    function unlock(uint64 assetID) external onlyMarket {
        Asset memory asset = _existing(assetID);
        if (asset.offerID != MARKET_LOCK) revert AssetNotLocked(assetID);

        _assets[assetID].offerID = 0;
        _assets[assetID].lockedMoney = 0;
        _holders[asset.owner].balance += asset.lockedMoney;
        emit MarketUnlocked(assetID, asset.lockedMoney);
    }

    /// @inheritdoc IPetra
    function settle(uint64 bidAsset, uint64 askAsset, int64 power, uint64 start, uint64 end, uint64 payment)
        external
        onlyMarket
    {
        if (power <= 0) revert PowerOutOfBounds(power);
        Asset memory bid = _existing(bidAsset);
        Asset memory ask = _existing(askAsset);
        if (bid.offerID != MARKET_LOCK) revert AssetNotLocked(bidAsset);
        if (ask.offerID != MARKET_LOCK) revert AssetNotLocked(askAsset);
        if (bid.power > 0 || ask.power < 0) revert SameSide(bidAsset, askAsset);
        if (power > -bid.power || power > ask.power) revert PowerOutOfBounds(power);
        bool isInside = _max(bid.start, ask.start) <= start && start <= end && end <= _min(bid.end, ask.end);
        if (!isInside) revert IntervalOutOfBounds(start, end);
        if (bid.lockedMoney < payment) revert InsufficientBalance(bid.owner, bid.lockedMoney, payment);

        _assets[bidAsset].lockedMoney -= payment;
        _holders[ask.owner].balance += payment;
        emit MarketSettled(bidAsset, askAsset, power, start, end, payment);
        Part memory part = Part({power: uint64(power), start: start, end: end});
        (Split memory bidSplit, Split memory askSplit) = _swap(bidAsset, askAsset, part, 0);
        if (!bidSplit.remains) _returnLockedMoney(bidAsset, bid.owner);
        if (!askSplit.remains) _returnLockedMoney(askAsset, ask.owner);
    }

    /* EVIDENCE */

    /// @inheritdoc IPetra
    function protest(bytes32 hash) external {
        emit Protest(hash);
    }

    /* VIEWS */

    /// @inheritdoc IPetra
    function terms() external view returns (Terms memory) {
        return Terms({
            dso: DSO,
            issuer: ISSUER,
            market: MARKET,
            genesis: GENESIS,
            timestepSeconds: TIMESTEP_SECONDS,
            gate: GATE,
            maxLength: MAX_LENGTH,
            maxPrice: MAX_PRICE,
            pricePeriod: PRICE_PERIOD,
            divisible: DIVISIBLE
        });
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
    function offers(uint64 offerID)
        external
        view
        returns (address poster, uint64 assetID, uint64 price, bool open)
    {
        Offer memory offer = _offers[offerID];
        return (offer.open ? _assets[offer.assetID].owner : address(0), offer.assetID, offer.price, offer.open);
    }

    /// @inheritdoc IPetra
    function balances(address holder) external view returns (uint64) {
        return _holders[holder].balance;
    }

    /// @inheritdoc IPetra
    function currentTimestep() external view returns (uint64) {
        return _saturated(_currentTimestep());
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
        _holders[anonAddress].balance += amount;
        _moneyOnLedger += amount;
        emit FinancialAdded(anonAddress, amount);
    }

    /* INTERNAL: checks, in the order of the errors */

    function _openOfferOf(uint64 offerID) internal view returns (Offer memory offer) {
        offer = _offers[offerID];
        if (offer.assetID == 0) revert UnknownOffer(offerID);
        if (!offer.open) revert OfferNotOpen(offerID);
    }

    function _existing(uint64 assetID) internal view returns (Asset memory asset) {
        asset = _assets[assetID];
        if (asset.owner == address(0)) revert UnknownAsset(assetID);
    }

    /// An asset that its owner has at hand: neither on offer nor locked.
    function _unlockedAssetOf(uint64 assetID, address owner) internal view returns (Asset memory asset) {
        asset = _existing(assetID);
        if (asset.owner != owner) revert NotOwner(assetID, owner);
        if (asset.offerID != 0) revert AssetIsLocked(assetID);
    }

    /// An asset that its owner may give in a trade.
    function _givableAssetOf(uint64 assetID, address owner) internal view returns (Asset memory asset) {
        asset = _unlockedAssetOf(assetID, owner);
        if (asset.spent) revert AssetIsSpent(assetID);
    }

    /// What two assets of opposite sides can still exchange: common power, common interval, cut at the gate.
    function _commonPart(uint64 offeredID, Asset memory offered, uint64 providedID, Asset memory provided)
        internal
        view
        returns (Part memory part, uint256 firstTradeable)
    {
        bool isSameInterval = offered.start == provided.start && offered.end == provided.end;
        bool isWhole = isSameInterval && offered.power == -provided.power;
        if (!DIVISIBLE && !isWhole) revert Indivisible(offeredID, providedID);
        part.power = _min(_magnitude(offered.power), _magnitude(provided.power));
        part.start = _max(offered.start, provided.start);
        part.end = _min(offered.end, provided.end);
        if (part.start > part.end) revert IntervalsDisjoint(offeredID, providedID);
        firstTradeable = _checkGate(part.start, part.end);
        // The gate is open for the end, so the first tradeable timestep is at most the end and fits.
        if (part.start < firstTradeable) part.start = uint64(firstTradeable);
    }

    /// Divisible assets are cut at the gate, so their end counts; indivisible ones are traded whole or not at all.
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

    function _checkBalance(address holder, uint64 needed) internal view {
        uint64 balance = _holders[holder].balance;
        if (balance < needed) revert InsufficientBalance(holder, balance, needed);
    }

    /// Refuses an amount that is no amount of money.
    function _toMoney(uint256 amount) internal pure returns (uint64) {
        if (amount > type(uint64).max) revert AmountTooLarge(amount);
        return uint64(amount);
    }

    /* INTERNAL: a trade */

    /// Exchanges the part between two assets and leaves what remains with their owners. A piece that ends before
    /// `firstLive` is dead.
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

    /// Parts an asset into the traded part and the pieces inside, after and before it. Together they are the asset: the
    /// first live piece keeps its id, or else the traded part does; every other one gets an id of its own.
    function _split(uint64 assetID, Part memory part, uint256 firstLive) internal returns (Split memory split) {
        Asset memory whole = _assets[assetID];
        bool isAsk = whole.power > 0;
        uint64 left = _magnitude(whole.power) - part.power;
        bool hasAfter = part.end < whole.end;
        bool hasBefore = whole.start < part.start;
        bool isBeforeLive = hasBefore && part.start > firstLive;
        split.remains = left > 0 || hasAfter || isBeforeLive;

        int64 tradedPower = _signed(part.power, isAsk);
        if (split.remains) split.tradedID = _newPiece(assetID, whole.owner, tradedPower, part.start, part.end);
        else _resize(split.tradedID = assetID, tradedPower, part.start, part.end);

        if (left > 0) {
            _resize(assetID, _signed(left, isAsk), part.start, part.end);
        }
        if (hasAfter) {
            if (left == 0) _resize(assetID, whole.power, part.end + 1, whole.end);
            else split.afterID = _newPiece(assetID, whole.owner, whole.power, part.end + 1, whole.end);
        }
        if (hasBefore) {
            bool isKept = isBeforeLive && left == 0 && !hasAfter;
            if (isKept) { _resize(assetID, whole.power, whole.start, part.start - 1); }
            else {
                uint64 beforeID = _newPiece(assetID, whole.owner, whole.power, whole.start, part.start - 1);
                if (isBeforeLive) split.beforeID = beforeID;
            }
        }
    }

    function _newPiece(uint64 parentID, address owner, int64 power, uint64 start, uint64 end)
        internal
        returns (uint64 assetID)
    {
        assetID = _newAsset(owner, power, start, end);
        emit AssetSplit(parentID, assetID, owner, power, start, end);
    }

    function _newAsset(address owner, int64 power, uint64 start, uint64 end) internal returns (uint64 assetID) {
        assetID = ++_lastAssetID;
        _assets[assetID] = Asset({
            owner: owner, offerID: 0, spent: false, power: power, start: start, end: end, lockedMoney: 0
        });
    }

    function _resize(uint64 assetID, int64 power, uint64 start, uint64 end) internal {
        Asset storage asset = _assets[assetID];
        asset.power = power;
        asset.start = start;
        asset.end = end;
    }

    /// A permit to consume is used up by the purchase.
    function _transfer(uint64 assetID, address from, address to) internal {
        Asset storage asset = _assets[assetID];
        asset.owner = to;
        asset.offerID = 0;
        asset.spent = asset.power < 0;
        emit AssetTransferred(assetID, from, to);
    }

    /* INTERNAL: offers and escrow */

    function _offerAsset(uint64 assetID, uint64 price) internal returns (uint64 offerID) {
        offerID = ++_lastOfferID;
        Asset storage asset = _assets[assetID];
        asset.offerID = offerID;
        _offers[offerID] = Offer({assetID: assetID, price: price, open: true});
        emit OfferPosted(offerID, assetID, price, asset.power, asset.start, asset.end);
    }

    /// Puts a piece of an offered asset on offer again; returns the escrow that it needs.
    function _reoffer(uint64 assetID, uint64 price) internal returns (uint256 escrow) {
        _offerAsset(assetID, price);
        return _escrow(_assets[assetID], price);
    }

    /// The money that an asset on offer holds: none for an ask.
    function _escrow(Asset memory asset, uint64 price) internal view returns (uint256) {
        if (asset.power > 0) return 0;
        return _paymentRoundedDown(_energy(_magnitude(asset.power), asset.start, asset.end), price);
    }

    /// The amount is a part of an escrow that was money, so it is money.
    function _releaseEscrow(uint64 offerID, address poster, uint256 amount) internal {
        if (amount == 0) return;
        _holders[poster].balance += uint64(amount);
        emit EscrowReleased(offerID, uint64(amount));
    }

    /// The money that the market locked with an asset of which nothing remains goes back to who had it.
    function _returnLockedMoney(uint64 assetID, address owner) internal {
        uint64 money = _assets[assetID].lockedMoney;
        if (money == 0) return;
        _assets[assetID].lockedMoney = 0;
        _holders[owner].balance += money;
        emit MarketUnlocked(assetID, money);
    }

    /* INTERNAL: time, energy and money */

    function _currentTimestep() internal view returns (uint256) {
        return block.timestamp < GENESIS ? 0 : (block.timestamp - GENESIS) / TIMESTEP_SECONDS;
    }

    function _firstTradeable() internal view returns (uint256) {
        return _currentTimestep() + GATE + 1;
    }

    /// Joules.
    function _energy(uint64 power, uint64 start, uint64 end) internal view returns (uint256) {
        return uint256(power) * (end - start + 1) * TIMESTEP_SECONDS;
    }

    function _paymentRoundedDown(uint256 energy, uint64 price) internal pure returns (uint256) {
        return energy * price / JOULES_PER_KWH;
    }

    function _paymentRoundedUp(uint256 energy, uint64 price) internal pure returns (uint256) {
        return (energy * price + JOULES_PER_KWH - 1) / JOULES_PER_KWH;
    }

    function _magnitude(int64 power) internal pure returns (uint64) {
        return uint64(power < 0 ? -power : power);
    }

    function _signed(uint64 power, bool isProduction) internal pure returns (int64) {
        return isProduction ? int64(power) : -int64(power);
    }

    function _saturated(uint256 timestep) internal pure returns (uint64) {
        return timestep > type(uint64).max ? type(uint64).max : uint64(timestep);
    }

    function _min(uint64 a, uint64 b) internal pure returns (uint64) {
        return a < b ? a : b;
    }

    function _max(uint64 a, uint64 b) internal pure returns (uint64) {
        return a > b ? a : b;
    }
}
