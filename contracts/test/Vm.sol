// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What the tests ask of forge
/// @dev A test is any function whose name begins with `test`; it fails when it reverts, and these assertions revert.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function warp(uint256 timestamp) external;
    function prank(address sender) external;
    function expectRevert(bytes calldata reason) external;
    function assume(bool condition) external pure;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory logs);
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
    function envOr(string calldata name, string calldata otherwise) external view returns (string memory value);
    function writeLine(string calldata path, string calldata line) external;
    function toString(uint256 number) external pure returns (string memory text);
    function lastCallGas() external returns (Gas memory gas);
    function assertTrue(bool condition, string calldata message) external pure;
    function assertEq(bool left, bool right, string calldata message) external pure;
    function assertEq(uint256 left, uint256 right, string calldata message) external pure;
    function assertEq(int256 left, int256 right, string calldata message) external pure;
    function assertEq(address left, address right, string calldata message) external pure;
    function assertEq(bytes32[] calldata left, bytes32[] calldata right, string calldata message) external pure;
    function assertEq(bytes calldata left, bytes calldata right, string calldata message) external pure;
    function assertLe(uint256 left, uint256 right, string calldata message) external pure;
}
