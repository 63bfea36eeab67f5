// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract AddAssetsTest is Fixture {
    uint256 internal constant MAX_GRANTS = 200;

    IPetra.EnergyGrant[] internal energy;
    IPetra.FinancialGrant[] internal money;

    function _issue() internal {
        IPetra.EnergyGrant[] memory energy_ = energy;
        IPetra.FinancialGrant[] memory money_ = money;
        vm.prank(DSO);
        petra.addAssets(energy_, money_);
    }

    function _person(uint256 number) internal pure returns (address) {
        return address(uint160(0x1000 + number));
    }

    function test_refuses_anybody_but_dso_and_issuer() public {
        _refuses(IPetra.NotIssuer.selector, MALLORY);
        vm.prank(MALLORY);
        petra.addAssets(energy, money);
    }

    function test_refuses_an_empty_batch() public {
        _refuses(IPetra.BatchOutOfBounds.selector, 0);
        _issue();
    }

    function test_refuses_one_grant_too_many() public {
        for (uint256 i = 0; i < MAX_GRANTS; ++i) {
            energy.push(IPetra.EnergyGrant(address(0), 0, 9, 8));
        }
        money.push(IPetra.FinancialGrant(address(0), 0));
        _refuses(IPetra.BatchOutOfBounds.selector, MAX_GRANTS + 1);
        _issue();
    }

    function test_refuses_energy_twice_to_one_address_in_one_batch() public {
        energy.push(IPetra.EnergyGrant(ALICE, KW4, 4, 5));
        energy.push(IPetra.EnergyGrant(ALICE, KW4, 6, 7));
        _refuses(IPetra.EnergyAlreadyGranted.selector, ALICE);
        _issue();
    }

    function test_refuses_money_twice_to_one_address_in_one_batch() public {
        money.push(IPetra.FinancialGrant(BOB, 1));
        money.push(IPetra.FinancialGrant(BOB, 1));
        _refuses(IPetra.MoneyAlreadyGranted.selector, BOB);
        _issue();
    }

    function test_refuses_money_that_fits_only_alone() public {
        money.push(IPetra.FinancialGrant(BOB, type(uint64).max));
        money.push(IPetra.FinancialGrant(CAROL, 1));
        _refuses(IPetra.AmountTooLarge.selector, 1);
        _issue();
    }

    function test_checks_energy_before_money() public {
        energy.push(IPetra.EnergyGrant(ALICE, 0, 4, 5));
        money.push(IPetra.FinancialGrant(address(0), 0));
        _refuses(IPetra.PowerOutOfBounds.selector, 0);
        _issue();
    }

    function test_one_refused_grant_refuses_all() public {
        energy.push(IPetra.EnergyGrant(ALICE, KW4, 4, 5));
        money.push(IPetra.FinancialGrant(BOB, 0));
        _refuses(IPetra.AmountZero.selector);
        _issue();
        _assertUnknown(1);
        vm.assertEq(_grant(ALICE, KW4, 4, 5), 1, "the id and the address are still free");
    }

    function test_issues_energy_first_and_tells_in_order() public {
        energy.push(IPetra.EnergyGrant(ALICE, KW4, 4, 5));
        energy.push(IPetra.EnergyGrant(BOB, -KW4, 4, 4));
        money.push(IPetra.FinancialGrant(BOB, FUNDS));
        money.push(IPetra.FinancialGrant(CAROL, 7));
        vm.recordLogs();
        _issue();
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.AssetAdded(ALICE, 1, KW4, 4, 5);
        emit IPetra.AssetAdded(BOB, 2, -KW4, 4, 4);
        emit IPetra.FinancialAdded(BOB, FUNDS);
        emit IPetra.FinancialAdded(CAROL, 7);
        _assertTold(told);
        _assertAsset(2, BOB, -KW4, 4, 4, 0);
        _assertBalance(CAROL, 7);
    }

    function test_issues_as_many_grants_as_a_batch_holds() public {
        for (uint256 i = 0; i < MAX_GRANTS / 2; ++i) {
            energy.push(IPetra.EnergyGrant(_person(i), -KW4, 4, 4));
            money.push(IPetra.FinancialGrant(_person(i), 1));
        }
        _issue();
        _assertAsset(uint64(MAX_GRANTS / 2), _person(MAX_GRANTS / 2 - 1), -KW4, 4, 4, 0);
        _assertBalance(_person(MAX_GRANTS / 2 - 1), 1);
    }
}
