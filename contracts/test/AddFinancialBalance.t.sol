// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract AddFinancialBalanceTest is Fixture {
    function test_refuses_anybody_but_dso_and_issuer() public {
        _refuses(IPetra.NotIssuer.selector, MALLORY);
        vm.prank(MALLORY);
        petra.addFinancialBalance(address(0), 0);
    }

    function test_refuses_address_0() public {
        _refuses(IPetra.ZeroAddress.selector);
        _fund(address(0), 0);
    }

    function test_refuses_a_second_grant_to_an_address() public {
        _fund(BOB, 1);
        _refuses(IPetra.MoneyAlreadyGranted.selector, BOB);
        _fund(BOB, 0);
    }

    function test_refuses_a_second_grant_even_after_a_deposit() public {
        _fund(BOB, FUNDS);
        _depositMoney(BOB, FUNDS);
        _refuses(IPetra.MoneyAlreadyGranted.selector, BOB);
        _fund(BOB, FUNDS);
    }

    function test_refuses_nothing() public {
        _refuses(IPetra.AmountZero.selector);
        _fund(BOB, 0);
    }

    function testFuzz_refuses_more_than_64_bits_of_money_on_the_ledger(uint64 first, uint64 excess) public {
        first = _bound(first, 1, type(uint64).max);
        uint64 second = type(uint64).max - first + _bound(excess, 1, first);
        _fund(BOB, first);
        _refuses(IPetra.AmountTooLarge.selector, second);
        _fund(CAROL, second);
    }

    function testFuzz_creates_money_and_tells(uint64 amount) public {
        amount = _bound(amount, 1, type(uint64).max);
        vm.recordLogs();
        _fund(BOB, amount);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.FinancialAdded(BOB, amount);
        _assertTold(told);
        _assertBalance(BOB, amount);
    }

    function test_all_the_money_that_fits_may_be_issued_again_after_a_deposit() public {
        _fund(BOB, type(uint64).max);
        _depositMoney(BOB, 10);
        _fund(CAROL, 10);
        _assertBalance(CAROL, 10);
    }

    function test_funds_the_dso_itself_any_number_of_times() public {
        _fund(DSO, 1);
        _fund(DSO, 2);
        _assertBalance(DSO, 3);
    }
}
