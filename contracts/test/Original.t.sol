// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";

/// @title What the contract of the paper's own case study got wrong, one test for each defect
/// @dev `TradingService` (2017) would fail every one of them.
contract OriginalTest is Fixture {
    /// It required the offered asset to be production, so that no bid was ever accepted.
    function test_original_1_a_bid_can_be_accepted() public {
        _fund(BOB, FUNDS);
        uint64 offerID = _post(BOB, _grant(BOB, -KW4, 5, 6), PRICE);
        uint64 production = _grant(ALICE, KW4, 5, 6);
        _accept(ALICE, offerID, production);
        _assertAsset(production, BOB, KW4, 5, 6, 0);
        _assertBalance(ALICE, 2 * PRICE);
    }

    /// An && for an || let adjacent intervals trade: 0 timesteps, cost 0, and the whole production asset changed hands.
    function test_original_2_an_adjacent_interval_takes_nothing() public {
        uint64 production = _grant(ALICE, KW4, 5, 6);
        uint64 offerID = _post(ALICE, production, PRICE);
        uint64 worthless = _grant(MALLORY, -KW4, 7, 8);
        _refuses(IPetra.IntervalsDisjoint.selector, production, worthless);
        _accept(MALLORY, offerID, worthless);
        _assertAsset(production, ALICE, KW4, 5, 6, offerID);
    }

    /// With a gap between the intervals the number of timesteps wrapped around.
    function test_original_2_a_gap_between_the_intervals_pays_nobody() public {
        uint64 production = _grant(ALICE, KW4, 5, 6);
        uint64 offerID = _post(ALICE, production, PRICE);
        uint64 distant = _grant(MALLORY, -KW4, 50, 60);
        _refuses(IPetra.IntervalsDisjoint.selector, production, distant);
        _accept(MALLORY, offerID, distant);
        _assertBalance(MALLORY, 0);
    }

    /// The remainder of a split by power got the interval [end, end]: 180 of 400 units were destroyed.
    function test_original_3_a_split_by_power_destroys_no_energy() public {
        _fund(BOB, FUNDS);
        uint64 production = _grant(ALICE, 100, 5, 8);
        _accept(BOB, _post(ALICE, production, PRICE), _grant(BOB, -40, 5, 8));
        _assertAsset(production, ALICE, 60, 5, 8, 1);
        _assertAsset(3, BOB, 40, 5, 8, 0);
    }

    /// The unspent escrow of a bid was never returned.
    function test_original_4_the_unspent_escrow_of_a_bid_returns() public {
        _fund(BOB, FUNDS);
        uint64 offerID = _post(BOB, _grant(BOB, -KW4, 2, 9), PRICE);
        uint64 production = _grant(ALICE, KW4, 4, 9);
        _at(2); // 2 and 3 are past the gate: nobody can sell them any more.
        _accept(ALICE, offerID, production);
        _assertBalance(ALICE, 6 * PRICE);
        _assertBalance(BOB, FUNDS - 6 * PRICE);
    }

    /// The remainder of a bid was not locked again.
    function test_original_4_the_remainder_of_a_bid_stays_on_offer() public {
        _fund(BOB, FUNDS);
        uint64 permit = _grant(BOB, -KW4, 4, 9);
        uint64 offerID = _post(BOB, permit, PRICE);
        _accept(ALICE, offerID, _grant(ALICE, 1000, 4, 9));
        _assertAsset(permit, BOB, -3000, 4, 9, offerID);
        _refuses(IPetra.AssetIsLocked.selector, permit);
        _depositAsset(BOB, permit);
    }

    /// price * power * duration overflowed 64 bits, so that much energy cost little.
    function test_original_5_the_cost_of_much_energy_is_exact_or_refused() public {
        uint64 power = 2 ** 60;
        uint64 offerID = _post(ALICE, _grant(ALICE, int64(power), 4, 4), PRICE);
        uint64 permit = _grant(BOB, -int64(power), 4, 4);
        _fund(BOB, FUNDS);
        _refuses(IPetra.AmountTooLarge.selector, (uint256(power) * T * PRICE + 3_600_000 - 1) / 3_600_000);
        _accept(BOB, offerID, permit);
    }

    /// start > end was accepted.
    function test_original_5_an_interval_cannot_end_before_it_starts() public {
        _refuses(IPetra.IntervalOutOfBounds.selector, 6, 5);
        _grant(ALICE, KW4, 6, 5);
    }

    /// Power 0 was accepted, as consumption.
    function test_original_5_no_power_is_no_asset() public {
        _refuses(IPetra.PowerOutOfBounds.selector, 0);
        _grant(ALICE, 0, 5, 6);
    }

    /// Storage was read before the bounds were checked.
    function test_original_6_an_offer_that_never_was_is_refused_by_name() public {
        uint64 permit = _grant(BOB, -KW4, 5, 6);
        _refuses(IPetra.UnknownOffer.selector, 99);
        _accept(BOB, 99, permit);
    }

    /// Everybody could trade with himself and so make a price.
    function test_original_6_nobody_accepts_its_own_offer() public {
        _grant(DSO, KW4, 5, 6);
        uint64 permit = _grant(DSO, -KW4, 5, 6);
        uint64 offerID = _post(DSO, 1, PRICE);
        _refuses(IPetra.OwnOffer.selector, offerID);
        _accept(DSO, offerID, permit);
    }

    /// Offers never expired: those of interval 57 were still open at 70.
    function test_original_6_an_offer_of_the_past_cannot_be_accepted() public {
        uint64 offerID = _post(ALICE, _grant(ALICE, KW4, 57, 57), PRICE);
        uint64 permit = _grant(BOB, -KW4, 57, 57);
        _fund(BOB, FUNDS);
        _at(70);
        _refuses(IPetra.GateClosed.selector, 57, 72);
        _accept(BOB, offerID, permit);
    }
}
