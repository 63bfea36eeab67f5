// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";
import {MockIssuer} from "./mocks/MockIssuer.sol";

contract AddEnergyAssetTest is Fixture {
    function test_refuses_anybody_but_dso_and_issuer() public {
        _refuses(IPetra.NotIssuer.selector, MALLORY);
        vm.prank(MALLORY);
        petra.addEnergyAsset(address(0), 0, 9, 8);
    }

    function test_refuses_address_0() public {
        _refuses(IPetra.ZeroAddress.selector);
        _grant(address(0), 0, 9, 8);
    }

    function test_refuses_a_second_grant_to_an_address() public {
        _grant(ALICE, KW4, 4, 5);
        _refuses(IPetra.EnergyAlreadyGranted.selector, ALICE);
        _grant(ALICE, 0, 9, 8);
    }

    function test_refuses_power_0() public {
        _refuses(IPetra.PowerOutOfBounds.selector, 0);
        _grant(ALICE, 0, 9, 8);
    }

    function test_refuses_the_smallest_power() public {
        vm.expectRevert(abi.encodeWithSelector(IPetra.PowerOutOfBounds.selector, type(int64).min));
        _grant(ALICE, type(int64).min, 9, 8);
    }

    function testFuzz_refuses_an_end_before_the_start(uint64 start, uint64 end) public {
        start = _bound(start, 1, type(uint64).max);
        end = _bound(end, 0, start - 1);
        _refuses(IPetra.IntervalOutOfBounds.selector, start, end);
        _grant(ALICE, KW4, start, end);
    }

    function test_refuses_more_than_the_longest_interval() public {
        _refuses(IPetra.IntervalOutOfBounds.selector, 4, 4 + MAX_LENGTH);
        _grant(ALICE, KW4, 4, 4 + MAX_LENGTH);
    }

    function test_refuses_an_end_at_2_to_the_48() public {
        _refuses(IPetra.IntervalOutOfBounds.selector, 2 ** 48, 2 ** 48);
        _grant(ALICE, KW4, 2 ** 48, 2 ** 48);
    }

    function test_the_last_timestep_is_2_to_the_48_minus_1() public {
        _assertAsset(_grant(ALICE, KW4, 2 ** 48 - 1, 2 ** 48 - 1), ALICE, KW4, 2 ** 48 - 1, 2 ** 48 - 1, 0);
    }

    function testFuzz_creates_an_asset_and_tells(int64 power, uint64 start, uint64 length) public {
        if (power == 0 || power == type(int64).min) power = 1;
        start = _bound(start, 0, 2 ** 48 - 1 - MAX_LENGTH);
        uint64 end = start + _bound(length, 1, MAX_LENGTH) - 1;
        vm.recordLogs();
        vm.assertEq(_grant(ALICE, power, start, end), 1, "ids begin at 1");
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.AssetAdded(ALICE, 1, power, start, end);
        _assertTold(told);
        _assertAsset(1, ALICE, power, start, end, 0);
        vm.assertTrue(!petra.spent(1), "not spent");
    }

    function test_grants_of_the_past_are_the_dsos_business() public {
        _at(10);
        _assertAsset(_grant(ALICE, KW4, 1, 1), ALICE, KW4, 1, 1, 0);
    }

    function test_grants_to_the_dso_itself_any_number_of_times() public {
        _grant(DSO, KW4, 4, 5);
        vm.assertEq(_grant(DSO, -KW4, 4, 5), 2, "second asset");
    }

    function test_issuer_may_grant() public {
        MockIssuer issuer = new MockIssuer();
        IPetra.Terms memory terms = _terms();
        terms.issuer = address(issuer);
        petra = _deploy(terms);
        IPetra.EnergyGrant[] memory energy = new IPetra.EnergyGrant[](1);
        energy[0] = IPetra.EnergyGrant(ALICE, KW4, 4, 5);
        issuer.issue(petra, energy, new IPetra.FinancialGrant[](0));
        _assertAsset(1, ALICE, KW4, 4, 5, 0);
    }
}
