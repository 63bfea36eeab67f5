// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

contract RecordScheduleTest is Fixture {
    function test_refuses_anybody_but_the_dso() public {
        _refuses(IPetra.NotDso.selector, MALLORY);
        vm.prank(MALLORY);
        petra.recordSchedule(4, keccak256("schedule"));
    }

    function testFuzz_tells_any_hash_from_any_timestep(uint64 from, bytes32 hash) public {
        vm.recordLogs();
        vm.prank(DSO);
        petra.recordSchedule(from, hash);
        Vm.Log[] memory told = vm.getRecordedLogs();
        emit IPetra.ScheduleRecorded(from, hash);
        _assertTold(told);
    }
}
