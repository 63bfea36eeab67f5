// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract ProtestTest is Fixture {
    function testFuzz_tells_any_hash_of_anybody(address anybody, bytes32 hash) public {
        vm.recordLogs();
        vm.prank(anybody);
        petra.protest(hash);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.Protest(hash);
        _assertTold(told);
    }
}
