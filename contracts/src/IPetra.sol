// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title PETra: energy and money of a microgrid as digital assets, traded between anonymous addresses
/// @notice The manual of the contract. `Petra.sol` implements it and adds nothing to its meaning;
/// the Python twin (`petra.ledger`) is the same rules once more and is compared with it step by step.
///
/// Words
/// - Timestep: timestep k covers [genesis + k*T, genesis + (k+1)*T) seconds; the current timestep is 0 before genesis + T.
/// - Interval (start, end): timesteps, both inclusive.
/// - Power: watts, never 0; positive = production asset, negative = consumption asset.
/// - Energy: |power| * (end - start + 1) * T watt-seconds (joule), exact.
/// - Money: nano-units of one fiat currency. Price: nano-units per kWh.
/// - Payment = energy * price / 3_600_000, rounded against the acceptor, who chooses the split:
///   the acceptor of an ask pays the ceiling, the acceptor of a bid receives the floor.
/// - Escrow of an open bid = floor(energy * price / 3_600_000) of its whole asset. It is never stored: it is computed.
/// - Gate closure: timestep k is tradeable while k > current + gate. What is past the gate is never traded.
/// - Spent: a consumption asset that has changed hands. It may only be deposited, so each purchase uses up a permit that
///   the DSO granted to the buying account itself. A production asset may be resold.
///
/// A trade (acceptOffer, settle) exchanges the part that both assets share: the tradeable part of the common interval at
/// the smaller power. What remains of an asset is up to three pieces, always named in this order:
///   1. inside: the power that is left within the traded interval,
///   2. after:  the whole power after it,
///   3. before: the whole power before it.
/// The first of them that is live keeps the asset id (and the offer id, same price); every other piece gets a new asset
/// id and, if it came from an offer and is live, a new offer id; the traded part gets a new asset id and moves. Where no
/// live piece remains, the traded part keeps the asset id and moves, and the offer closes. A piece wholly past the gate
/// is dead: it always gets a new id and returns to its owner unlocked. `settle` has no gate, so there every piece is live.
/// New asset ids are given first for the offered (settle: the bid's) asset, then for the acceptor's (the ask's); within
/// an asset first to the traded part, then to the pieces in the order above.
///
/// Events of one trade stand in this order: OfferAccepted (MarketSettled); AssetSplit of the offered asset, then of the
/// acceptor's, in the order of the new ids; AssetTransferred of the offered part, then of the acceptor's; OfferPosted of
/// new offers; EscrowReleased. The whole state and each asset's lineage can be rebuilt from the logs: an asset that is
/// itself named by AssetTransferred is the traded part; otherwise it is now the first of {inside, after, before}.
///
/// Refusals are the custom errors below. In every verb they are checked in the order in which they stand here.
///
/// Invariants
/// 1. Energy per timestep and side: live + locked + deposited = issued.
/// 2. A trade moves equal energy both ways.
/// 3. Free + escrowed + locked + deposited money = issued, and money on the ledger never exceeds 2^64 - 1.
/// 4. An asset on offer is in exactly one open offer.
/// 5. Ids are never reused.
/// 6. Only the DSO or the issuer issues, energy once and money once per address (the DSO's own address is exempt).
/// 7. No price and no quantity is fixed after the gate.
/// 8. Deposits and rescinds are never blocked.
/// 9. A spent asset is never on offer nor given.
interface IPetra {
    /* TYPES */

    /// @param dso issues assets, sets prices; trades from this address itself (exempt from "granted once")
    /// @param issuer a contract that may issue beside the DSO; 0 = none
    /// @param market a contract that locks, settles and unlocks; 0 = none. If set, postOffer and acceptOffer are refused
    /// @param genesis unix seconds at which timestep 0 begins
    /// @param timestepSeconds T, 4 .. 3600
    /// @param gate timesteps between the current one and the first tradeable one, exclusive
    /// @param maxLength the longest interval of a granted asset, in timesteps
    /// @param maxPrice nano-units per kWh
    /// @param pricePeriod timesteps per set price; 0 = prices are free up to maxPrice
    /// @param divisible false = only equal power and equal interval match, so no piece ever remains
    struct Terms {
        address dso;
        address issuer;
        address market;
        uint64 genesis;
        uint32 timestepSeconds;
        uint32 gate;
        uint32 maxLength;
        uint64 maxPrice;
        uint32 pricePeriod;
        bool divisible;
    }

    struct EnergyGrant {
        address anonAddress;
        int64 power;
        uint64 start;
        uint64 end;
    }

    struct FinancialGrant {
        address anonAddress;
        uint64 amount;
    }

    /* ERRORS, in order of precedence */

    /// The terms of a deployment are unusable: dso is 0, T is outside 4 .. 3600, or maxLength is 0.
    error InvalidTerms();
    /// Only the DSO may call this.
    error NotDso(address caller);
    /// Only the DSO or the issuer may call this.
    error NotIssuer(address caller);
    /// Only the market contract may call this.
    error NotMarket(address caller);
    /// This deployment trades through its market contract only.
    error MarketOnly();
    /// Prices of this deployment are free: there is no period to set a price for.
    error PricePeriodsUnused();
    /// A batch holds 1 .. MAX_GRANTS grants.
    error BatchOutOfBounds(uint256 count);
    /// Address 0 cannot hold assets.
    error ZeroAddress();
    /// The address has received its one energy grant.
    error EnergyAlreadyGranted(address anonAddress);
    /// The address has received its one money grant.
    error MoneyAlreadyGranted(address anonAddress);
    /// A set price never changes.
    error PriceAlreadySet(uint64 period);
    /// Power is 0 or the smallest int64; in settle: not positive or more than an asset has.
    error PowerOutOfBounds(int64 power);
    /// start > end, or longer than maxLength, or end >= 2^48; in settle: outside an asset.
    error IntervalOutOfBounds(uint64 start, uint64 end);
    /// No such offer was ever posted.
    error UnknownOffer(uint64 offerID);
    /// The offer was accepted whole or rescinded.
    error OfferNotOpen(uint64 offerID);
    /// The acceptor posted this offer itself.
    error OwnOffer(uint64 offerID);
    /// No such asset, or it was deposited.
    error UnknownAsset(uint64 assetID);
    /// The caller (lock: the named owner) does not own the asset; rescindOffer: did not post the offer.
    error NotOwner(uint64 assetID, address caller);
    /// The asset is on offer or locked by the market.
    error AssetIsLocked(uint64 assetID);
    /// The market has not locked this asset.
    error AssetNotLocked(uint64 assetID);
    /// The asset is a consumption asset that has changed hands.
    error AssetIsSpent(uint64 assetID);
    /// Both assets produce or both consume; in settle also: the first is not the consumption asset.
    error SameSide(uint64 offeredID, uint64 providedID);
    /// This deployment trades whole assets only: power and interval must be equal.
    error Indivisible(uint64 offeredID, uint64 providedID);
    /// The assets share no timestep.
    error IntervalsDisjoint(uint64 offeredID, uint64 providedID);
    /// Nothing before firstTradeable may be traded (priced) any more, and the asset (period) has nothing at or after it;
    /// where assets are indivisible: the asset begins before it.
    error GateClosed(uint64 timestep, uint256 firstTradeable);
    /// The price exceeds maxPrice.
    error PriceTooHigh(uint64 price);
    /// The asset does not lie inside one price period.
    error OutsidePricePeriod(uint64 assetID);
    /// No price is set for the asset's period.
    error PriceNotSet(uint64 period);
    /// The offer's price is not the period's price.
    error PriceMismatch(uint64 price, uint64 periodPrice);
    /// An amount of money must be positive.
    error AmountZero();
    /// The amount does not fit: money on the ledger (or an escrow or payment) would exceed 2^64 - 1.
    error AmountTooLarge(uint256 amount);
    /// The holder's free balance (settle: the money locked with the bid) is smaller than what is needed.
    error InsufficientBalance(address holder, uint64 balance, uint64 needed);

    /* EVENTS */

    /// An asset was issued by the DSO (or the issuer): issue, nothing else.
    event AssetAdded(address indexed anonAddress, uint64 indexed assetID, int64 power, uint64 start, uint64 end);
    /// Money was issued to an address.
    event FinancialAdded(address indexed anonAddress, uint64 amount);
    /// An asset is on offer: an ask if power > 0, a bid if power < 0. A bid's escrow left the poster's balance.
    event OfferPosted(
        uint64 indexed offerID, uint64 indexed assetID, uint64 price, int64 power, uint64 start, uint64 end
    );
    event OfferRescinded(uint64 indexed offerID);
    /// A part of an offer was traded. assetID: the acceptor's asset; power: the traded power, sign of the offered asset.
    event OfferAccepted(
        uint64 indexed offerID, uint64 indexed assetID, int64 power, uint64 start, uint64 end, uint64 payment
    );
    /// A piece of an asset got an id of its own; owner is its owner at this moment, before any transfer.
    event AssetSplit(
        uint64 indexed parentID, uint64 indexed assetID, address indexed owner, int64 power, uint64 start, uint64 end
    );
    /// An asset changed hands; a consumption asset is spent from now on.
    event AssetTransferred(uint64 indexed assetID, address indexed from, address indexed to);
    /// Escrow of a bid that is no longer needed went back to its poster's balance.
    event EscrowReleased(uint64 indexed offerID, uint64 amount);
    event AssetDeposited(address indexed anonAddress, uint64 indexed assetID);
    event FinancialDeposited(address indexed anonAddress, uint64 amount);
    event PriceSet(uint64 indexed period, uint64 price);
    event ScheduleRecorded(uint64 indexed from, bytes32 hash);
    event Protest(bytes32 indexed hash);
    /// The market locked an asset, and money of its owner with it.
    event MarketLocked(uint64 indexed assetID, uint64 money);
    /// The market freed an asset; the money that was still locked with it went back to its owner.
    event MarketUnlocked(uint64 indexed assetID, uint64 money);
    /// The market traded a part of two locked assets; power > 0; the payment came from the money locked with the bid.
    event MarketSettled(
        uint64 indexed bidAssetID, uint64 indexed askAssetID, int64 power, uint64 start, uint64 end, uint64 payment
    );

    /* ISSUE: DSO (or issuer) */

    /// @notice Creates an energy asset at an address that never had one.
    function addEnergyAsset(address anonAddress, int64 power, uint64 start, uint64 end)
        external
        returns (uint64 assetID);

    /// @notice Creates money at an address that never got any from the DSO.
    function addFinancialBalance(address anonAddress, uint64 amount) external;

    /// @notice One epoch's grants in one transaction, energy first, at most MAX_GRANTS entries, all or nothing.
    function addAssets(EnergyGrant[] calldata energy, FinancialGrant[] calldata money) external;

    /* TRADE: owners of assets */

    /// @notice Puts an asset on offer and locks it; a bid's escrow leaves the poster's balance.
    function postOffer(uint64 assetID, uint64 price) external returns (uint64 offerID);

    /// @notice Takes an open offer back, unlocks its asset and returns a bid's escrow. Never blocked for its poster.
    function rescindOffer(uint64 offerID) external;

    /// @notice Trades the common tradeable part of the offered asset and the caller's asset at the offer's price.
    /// Accepting an ask: the caller gives a consumption asset and money from its balance.
    /// Accepting a bid: the caller gives a production asset and is paid from the bid's escrow.
    function acceptOffer(uint64 offerID, uint64 assetID) external;

    /* DEPOSIT: owners of assets, for ever */

    /// @notice Returns an unlocked asset, spent or not, to the DSO.
    function depositEnergyAsset(uint64 assetID) external;

    /// @notice Returns free money to the DSO.
    function depositFinancial(uint64 amount) external;

    /* PRICES: DSO */

    /// @notice Sets the price of a future period, once. The period's first timestep must still be tradeable.
    function setPrice(uint64 period, uint64 price) external;

    /// @notice Records the hash of a signed price schedule that holds from a timestep on.
    function recordSchedule(uint64 from, bytes32 hash) external;

    /* MARKET: the market contract of the terms */

    /// @notice Locks an unlocked, unspent asset of `owner`, and `money` from the owner's balance with it.
    function lock(address owner, uint64 assetID, uint64 money) external;

    /// @notice Frees a locked asset and returns what money is still locked with it.
    function unlock(uint64 assetID) external;

    /// @notice Trades `power` over [start, end] between two locked assets; the payment comes from the bid's locked money.
    /// The piece that keeps an id stays locked (with what is left of its money), other pieces are unlocked;
    /// where nothing of an asset remains, money that is still locked with it returns to its owner (MarketUnlocked).
    function settle(uint64 bidAsset, uint64 askAsset, int64 power, uint64 start, uint64 end, uint64 payment) external;

    /* EVIDENCE: anyone */

    /// @notice Publishes the hash of a signed request that stays unanswered.
    function protest(bytes32 hash) external;

    /* VIEWS */

    function terms() external view returns (Terms memory);

    /// @return owner 0 = unknown or deposited
    /// @return power watts, as in the grant
    /// @return start first timestep
    /// @return end last timestep
    /// @return offerID 0 = not on offer; 2^64 - 1 = locked by the market
    function assets(uint64 assetID)
        external
        view
        returns (address owner, int64 power, uint64 start, uint64 end, uint64 offerID);

    function spent(uint64 assetID) external view returns (bool);

    /// @return poster 0 once the offer is closed
    function offers(uint64 offerID)
        external
        view
        returns (address poster, uint64 assetID, uint64 price, bool open);

    function balances(address holder) external view returns (uint64);

    function currentTimestep() external view returns (uint64);
}
