// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract DepositFinancialTest is Fixture {
    function test_refuses_nothing() public {
        _refuses(IPetra.AmountZero.selector);
        _depositMoney(MALLORY, 0);
    }

    function testFuzz_refuses_more_than_the_balance(uint64 balance, uint64 amount) public {
        balance = _bound(balance, 1, type(uint64).max - 1);
        amount = _bound(amount, uint256(balance) + 1, type(uint64).max);
        _fund(BOB, balance);
        _refusesInsufficient(BOB, balance, amount);
        _depositMoney(BOB, amount);
    }

    function test_refuses_money_in_escrow() public {
        _fund(BOB, 2 * PRICE);
        _post(BOB, _grant(BOB, -KW4, 4, 5), PRICE);
        _refusesInsufficient(BOB, 0, 1);
        _depositMoney(BOB, 1);
    }

    function testFuzz_takes_the_money_and_tells(uint64 balance, uint64 amount) public {
        balance = _bound(balance, 1, type(uint64).max);
        amount = _bound(amount, 1, balance);
        _fund(BOB, balance);
        vm.recordLogs();
        _depositMoney(BOB, amount);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.FinancialDeposited(BOB, amount);
        _assertTold(told);
        _assertBalance(BOB, balance - amount);
    }
}
