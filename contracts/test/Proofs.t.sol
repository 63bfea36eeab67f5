// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {MarketFixture} from "./MarketFixture.sol";

/// @title What halmos proves for every value of the arguments, from a storage that concrete calls have made
/// @dev Where no bound is named, every value of the types is meant. No key belongs to address 0, so it never calls.
contract ProofsTest is MarketFixture {
    uint64 internal constant IDS = 9;

    IPetra internal market_;
    IPetra internal priced_;

    function setUp() public override {
        super.setUp();
        market_ = petra;
        IPetra.Terms memory terms = _terms();
        terms.pricePeriod = 4;
        priced_ = _deploy(terms);
        petra = _deploy(_terms());
    }

    function _try(address sender, bytes memory call) internal returns (bool done) {
        vm.prank(sender);
        (done,) = address(petra).call(call);
    }

    /// What ALICE and BOB have in a timestep, in watts.
    function _assertHave(uint64 k, uint256 aliceMakes, uint256 aliceUses, uint256 bobMakes, uint256 bobUses)
        internal
        view
    {
        for (uint64 id = 1; id <= IDS; ++id) {
            (address owner, int64 power, uint64 start, uint64 end,) = petra.assets(id);
            if (owner == address(0)) break;
            bool isNow = start <= k && k <= end;
            uint256 made = isNow && power > 0 ? uint64(power) : 0;
            uint256 used = isNow && power < 0 ? uint64(-power) : 0;
            assert(owner == ALICE || owner == BOB);
            unchecked {
                if (owner == ALICE) (aliceMakes, aliceUses) = (aliceMakes - made, aliceUses - used);
                else (bobMakes, bobUses) = (bobMakes - made, bobUses - used);
            }
        }
        assert(aliceMakes == 0 && aliceUses == 0 && bobMakes == 0 && bobUses == 0);
    }

    /// Goes to any of the first twelve timesteps. Each is a path of its own: to divide a number that is not known is slow.
    function _atAny(uint64 chosen) internal returns (uint64 now_) {
        vm.assume(chosen < 12);
        while (now_ != chosen) ++now_;
        _at(now_);
    }

    /* ACCESS */

    function check_only_the_dso_issues(
        address caller,
        address holder,
        int64 power,
        uint64 start,
        uint64 end,
        uint64 sum
    ) external {
        vm.assume(caller != DSO && caller != address(0));
        assert(!_try(caller, abi.encodeCall(petra.addEnergyAsset, (holder, power, start, end))));
        assert(!_try(caller, abi.encodeCall(petra.addFinancialBalance, (holder, sum))));
        IPetra.EnergyGrant[] memory energy = new IPetra.EnergyGrant[](1);
        IPetra.FinancialGrant[] memory money = new IPetra.FinancialGrant[](1);
        energy[0] = IPetra.EnergyGrant(holder, power, start, end);
        money[0] = IPetra.FinancialGrant(holder, sum);
        assert(!_try(caller, abi.encodeCall(petra.addAssets, (energy, money))));
    }

    function check_only_the_dso_sets_prices(address caller, uint64 period, uint64 price, bytes32 hash) external {
        petra = priced_;
        vm.assume(caller != DSO);
        assert(!_try(caller, abi.encodeCall(petra.setPrice, (period, price))));
        assert(!_try(caller, abi.encodeCall(petra.recordSchedule, (period, hash))));
    }

    function check_only_the_market_settles(
        address caller,
        address owner,
        uint64 first,
        uint64 second,
        int64 power,
        uint64 start,
        uint64 end,
        uint64 money
    ) external {
        petra = market_;
        vm.assume(caller != address(market));
        assert(!_try(caller, abi.encodeCall(petra.lock, (owner, first, money))));
        assert(!_try(caller, abi.encodeCall(petra.unlock, (first))));
        assert(!_try(caller, abi.encodeCall(petra.settle, (first, second, power, start, end, money))));
    }

    function check_only_the_owner_acts(address caller, uint64 amount, uint64 price) external {
        vm.assume(caller != ALICE && caller != BOB);
        _grant(ALICE, KW4, 4, 9);
        _grant(BOB, -KW4, 4, 9);
        _fund(BOB, FUNDS);
        _post(ALICE, 1, PRICE);
        assert(!_try(caller, abi.encodeCall(petra.rescindOffer, (1))));
        assert(!_try(caller, abi.encodeCall(petra.postOffer, (2, price))));
        assert(!_try(caller, abi.encodeCall(petra.acceptOffer, (1, 2))));
        assert(!_try(caller, abi.encodeCall(petra.depositEnergyAsset, (2))));
        assert(!_try(caller, abi.encodeCall(petra.depositFinancial, (amount))));
    }

    /* ISSUE */

    /// The DSO's own address is exempt.
    function check_energy_is_granted_once(address holder, int64 power, uint64 start, uint64 end, int64 otherPower)
        external
    {
        vm.assume(holder != DSO);
        vm.assume(_try(DSO, abi.encodeCall(petra.addEnergyAsset, (holder, power, start, end))));
        assert(!_try(DSO, abi.encodeCall(petra.addEnergyAsset, (holder, otherPower, start, end))));
        assert(!_try(DSO, abi.encodeCall(petra.addEnergyAsset, (holder, power, 4, 9))));
    }

    function check_money_is_granted_once(address holder, uint64 first, uint64 second) external {
        vm.assume(holder != DSO && holder != address(0) && first > 0);
        _fund(holder, first);
        assert(!_try(DSO, abi.encodeCall(petra.addFinancialBalance, (holder, second))));
    }

    function check_a_grant_is_what_was_asked_for(address holder, int64 power, uint64 start, uint64 end) external {
        bool done = _try(DSO, abi.encodeCall(petra.addEnergyAsset, (holder, power, start, end)));
        bool isAllowed = holder != address(0) && power != 0 && power != type(int64).min && start <= end;
        assert(done == (isAllowed && end - start < MAX_LENGTH && end < 2 ** 48));
        if (done) _assertAsset(1, holder, power, start, end, 0);
        else _assertUnknown(1);
        _assertUnknown(2);
    }

    function check_money_on_the_ledger_fits(uint64 first, uint64 second) external {
        vm.assume(first > 0);
        _fund(ALICE, first);
        bool done = _try(DSO, abi.encodeCall(petra.addFinancialBalance, (BOB, second)));
        assert(done == (second > 0 && uint256(first) + second <= type(uint64).max));
        _assertBalance(ALICE, first);
        _assertBalance(BOB, done ? second : 0);
    }

    /* SETTLEMENTS: any part of 4000 W over timesteps 4 to 9, each */

    /// In every timestep each got what the other gave; what was not traded stayed where it was.
    function check_a_settlement_moves_equal_energy_both_ways(uint64 watts, uint64 start, uint64 end, uint64 k)
        external
    {
        petra = market_;
        vm.assume(watts < 2 ** 63);
        _lockBoth(0);
        bytes memory call = abi.encodeCall(market.settle, (BID, ASK, int64(watts), start, end, 0));
        (bool done,) = address(market).call(call);
        assert(done == (0 < watts && watts <= uint64(KW4) && 4 <= start && start <= end && end <= 9));
        vm.assume(done);
        uint256 had = 4 <= k && k <= 9 ? uint64(KW4) : 0;
        uint256 moved = start <= k && k <= end ? watts : 0;
        _assertHave(k, had - moved, moved, moved, had - moved);
    }

    /// Whatever was locked and paid, nothing is made or lost, and all of it can be had back.
    function check_a_settlement_conserves_money(uint64 watts, uint64 locked, uint64 payment) external {
        petra = market_;
        vm.assume(0 < watts && watts <= uint64(KW4) && locked <= FUNDS && payment <= locked);
        _lockBoth(locked);
        market.settle(BID, ASK, int64(watts), 4, 9, payment);
        if (watts < uint64(KW4)) market.unlock(BID);
        _assertBalance(ALICE, payment);
        _assertBalance(BOB, FUNDS - payment);
    }

    function check_a_settlement_never_exceeds_what_is_locked(uint64 locked, uint64 payment) external {
        petra = market_;
        vm.assume(locked <= FUNDS && payment > locked);
        _lockBoth(locked);
        (bool done,) = address(market).call(abi.encodeCall(market.settle, (BID, ASK, KW4, 4, 9, payment)));
        assert(!done);
    }

    /* TRADES */

    /// The offer: 4000 W over timesteps 4 to 9, at no price. The permit: any power below 2^40 W, any interval.
    function check_a_trade_moves_equal_energy_both_ways(uint64 watts, uint64 start, uint64 end, uint64 k) external {
        vm.assume(0 < watts && watts < 2 ** 40 && start <= end && end < start + MAX_LENGTH && end < 4000);
        _grant(ALICE, KW4, 4, 9);
        _post(ALICE, 1, 0);
        _grant(BOB, -int64(watts), start, end);
        bool done = _try(BOB, abi.encodeCall(petra.acceptOffer, (1, 2)));
        assert(done == (start <= 9 && end >= 4));
        vm.assume(done);
        uint256 made = 4 <= k && k <= 9 ? uint64(KW4) : 0;
        uint256 used = start <= k && k <= end ? watts : 0;
        uint256 moved = made < used ? made : used;
        _assertHave(k, made - moved, moved, moved, used - moved);
    }

    /// At any time: nothing before the first tradeable timestep changes hands.
    function check_nothing_past_the_gate_changes_hands(uint64 chosen, uint64 k) external {
        _grant(ALICE, KW4, 4, 9);
        _post(ALICE, 1, 0);
        _grant(BOB, -1000, 3, 12);
        uint64 now_ = _atAny(chosen);
        bool done = _try(BOB, abi.encodeCall(petra.acceptOffer, (1, 2)));
        if (now_ + GATE + 1 > 9) {
            assert(!done);
            return;
        }
        assert(done);
        uint256 moved = now_ + GATE + 1 <= k && 4 <= k && k <= 9 ? 1000 : 0;
        uint256 made = 4 <= k && k <= 9 ? uint64(KW4) : 0;
        _assertHave(k, made - moved, moved, moved, (3 <= k && k <= 12 ? 1000 : 0) - moved);
    }

    /// Any price up to the greatest, any power of the permit below 2^40 W: what one pays, the other gets.
    function check_an_ask_conserves_money(uint64 watts, uint64 price, uint64 funds) external {
        vm.assume(0 < watts && watts < 2 ** 40 && funds > 0 && price <= MAX_PRICE);
        _grant(ALICE, KW4, 4, 9);
        _post(ALICE, 1, price);
        _grant(BOB, -int64(watts), 4, 9);
        _fund(BOB, funds);
        _try(BOB, abi.encodeCall(petra.acceptOffer, (1, 2)));
        assert(uint256(petra.balances(ALICE)) + petra.balances(BOB) == funds);
    }

    /// A bid for 4000 W over timesteps 4 to 9 at any price that BOB can pay: whichever part is accepted, the escrow
    /// suffices, and when the rest is rescinded nothing is made or lost.
    function check_the_escrow_of_a_bid_is_never_short(uint64 watts, uint64 price) external {
        vm.assume(0 < watts && watts < 2 ** 12 && price < 2 ** 12);
        _fund(BOB, FUNDS);
        _grant(BOB, -KW4, 4, 9);
        _post(BOB, 1, price);
        _grant(ALICE, int64(watts), 4, 9);
        assert(_try(ALICE, abi.encodeCall(petra.acceptOffer, (1, 2))));
        if (watts < uint64(KW4)) _rescind(BOB, 1);
        assert(uint256(petra.balances(ALICE)) + petra.balances(BOB) == FUNDS);
    }

    /* SPENT, OWN */

    function check_what_is_spent_is_never_offered_nor_given(uint64 price) external {
        _grant(ALICE, KW4, 4, 9);
        _post(ALICE, 1, 0);
        _grant(BOB, -KW4, 4, 9);
        _accept(BOB, 1, 2);
        assert(petra.spent(2) && !petra.spent(1));
        assert(!_try(ALICE, abi.encodeCall(petra.postOffer, (2, price))));
        _post(BOB, 1, 0);
        assert(!_try(ALICE, abi.encodeCall(petra.acceptOffer, (2, 2))));
    }

    function check_nobody_accepts_an_own_offer(uint64 otherWatts) external {
        vm.assume(0 < otherWatts && otherWatts < 2 ** 40);
        _grant(DSO, KW4, 4, 9);
        _post(DSO, 1, 0);
        _grant(DSO, -int64(otherWatts), 4, 9);
        assert(!_try(DSO, abi.encodeCall(petra.acceptOffer, (1, 2))));
        assert(!_try(DSO, abi.encodeCall(petra.acceptOffer, (1, 1))));
    }

    /* NOTHING IS STUCK: at any time */

    function check_a_rescind_is_never_blocked(uint64 now_, uint64 price) external {
        vm.assume(price <= 10 ** 9);
        _fund(BOB, FUNDS);
        _grant(BOB, -KW4, 4, 9);
        _post(BOB, 1, price);
        vm.warp(now_);
        assert(_try(BOB, abi.encodeCall(petra.rescindOffer, (1))));
        _assertBalance(BOB, FUNDS);
        _assertAsset(1, BOB, -KW4, 4, 9, 0);
    }

    function check_a_deposit_of_energy_is_never_blocked(uint64 now_, int64 power, uint64 start, uint64 end) external {
        vm.assume(_try(DSO, abi.encodeCall(petra.addEnergyAsset, (ALICE, power, start, end))));
        vm.warp(now_);
        assert(_try(ALICE, abi.encodeCall(petra.depositEnergyAsset, (1))));
        _assertUnknown(1);
        assert(!_try(ALICE, abi.encodeCall(petra.depositEnergyAsset, (1))));
    }

    function check_a_deposit_of_money_is_never_blocked(uint64 now_, uint64 funds, uint64 amount) external {
        vm.assume(funds > 0);
        _fund(ALICE, funds);
        vm.warp(now_);
        assert(_try(ALICE, abi.encodeCall(petra.depositFinancial, (amount))) == (0 < amount && amount <= funds));
        _assertBalance(ALICE, 0 < amount && amount <= funds ? funds - amount : funds);
    }

    /* IDS, PRICES */

    function check_ids_only_grow(uint64 watts, uint64 price) external {
        vm.assume(0 < watts && watts < 2 ** 40 && price <= MAX_PRICE);
        assert(_grant(DSO, int64(watts), 4, 9) == 1);
        assert(_post(DSO, 1, price) == 1);
        _rescind(DSO, 1);
        assert(_post(DSO, 1, price) == 2);
        _rescind(DSO, 2);
        _depositAsset(DSO, 1);
        assert(_grant(DSO, int64(watts), 4, 9) == 2);
        _assertUnknown(1);
        _assertClosed(1);
        _assertClosed(2);
    }

    function check_a_price_is_set_once_and_in_time(uint64 chosen, uint64 period, uint64 first, uint64 second) external {
        petra = priced_;
        uint64 now_ = _atAny(chosen);
        bool done = _try(DSO, abi.encodeCall(petra.setPrice, (period, first)));
        assert(done == (first <= MAX_PRICE && uint256(period) * 4 >= uint256(now_) + GATE + 1));
        vm.assume(done);
        assert(!_try(DSO, abi.encodeCall(petra.setPrice, (period, second))));
    }

    /// Of a period with a price, an offer has that price and no other.
    function check_an_offer_has_the_price_of_its_period(uint64 price, uint64 asked) external {
        petra = priced_;
        vm.assume(price <= MAX_PRICE);
        _grant(ALICE, KW4, 4, 7);
        assert(!_try(ALICE, abi.encodeCall(petra.postOffer, (1, asked))));
        vm.prank(DSO);
        petra.setPrice(1, price);
        assert(_try(ALICE, abi.encodeCall(petra.postOffer, (1, asked))) == (asked == price));
    }
}
