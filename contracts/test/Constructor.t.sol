// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";

contract ConstructorTest is Fixture {
    function _assertUnusable(IPetra.Terms memory terms) internal {
        _refuses(IPetra.InvalidTerms.selector);
        _deploy(terms);
    }

    function test_refuses_no_dso() public {
        IPetra.Terms memory terms = _terms();
        terms.dso = address(0);
        _assertUnusable(terms);
    }

    function test_refuses_timesteps_below_4_seconds() public {
        IPetra.Terms memory terms = _terms();
        terms.timestepSeconds = 3;
        _assertUnusable(terms);
    }

    function test_refuses_timesteps_above_an_hour() public {
        IPetra.Terms memory terms = _terms();
        terms.timestepSeconds = 3601;
        _assertUnusable(terms);
    }

    function test_refuses_assets_without_length() public {
        IPetra.Terms memory terms = _terms();
        terms.maxLength = 0;
        _assertUnusable(terms);
    }

    function test_takes_timesteps_of_4_seconds_and_of_an_hour_and_assets_of_one_timestep() public {
        IPetra.Terms memory terms = _terms();
        terms.maxLength = 1;
        terms.timestepSeconds = 4;
        vm.assertEq(_deploy(terms).terms().timestepSeconds, 4, "the shortest");
        terms.timestepSeconds = 3600;
        vm.assertEq(_deploy(terms).terms().timestepSeconds, 3600, "the longest");
        terms.dso = address(1);
        vm.assertEq(_deploy(terms).terms().dso, address(1), "any DSO but 0");
    }

    function testFuzz_keeps_every_term(IPetra.Terms memory terms) public {
        if (terms.dso == address(0)) terms.dso = DSO;
        if (terms.maxLength == 0) terms.maxLength = 1;
        terms.timestepSeconds = uint32(_bound(terms.timestepSeconds, 4, 3600));
        bytes memory kept = abi.encode(_deploy(terms).terms());
        vm.assertEq(kept, abi.encode(terms), "terms");
    }

    function test_timestep_is_0_before_genesis() public {
        vm.warp(0);
        vm.assertEq(petra.currentTimestep(), 0, "at the beginning of time");
        vm.warp(GENESIS - 1);
        vm.assertEq(petra.currentTimestep(), 0, "before genesis");
        vm.warp(GENESIS + T - 1);
        vm.assertEq(petra.currentTimestep(), 0, "end of timestep 0");
    }

    function test_timestep_begins_at_its_first_second() public {
        vm.warp(GENESIS + 7 * uint256(T));
        vm.assertEq(petra.currentTimestep(), 7, "first second of timestep 7");
    }

    function test_timestep_stays_a_uint64_at_the_end_of_time() public {
        vm.warp(type(uint256).max);
        vm.assertEq(petra.currentTimestep(), type(uint64).max, "saturated");
    }

    function test_takes_no_ether() public {
        (bool taken,) = address(petra).call{value: 1}("");
        vm.assertTrue(!taken, "a plain payment is refused");
        (taken,) = address(petra).call{value: 1}(abi.encodeCall(petra.protest, (bytes32(0))));
        vm.assertTrue(!taken, "a payment with a verb is refused");
    }
}
