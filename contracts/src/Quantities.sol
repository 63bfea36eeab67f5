// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// Power, energy and money as integers with units, and the only rounding: the same functions as petra/domain/quantities.py.
// All of it is exact in 256 bits: |power| < 2^63 W, length <= 2^48 timesteps of < 2^12 s, price < 2^64 nano-units per kWh.
// So the greatest product is below 2^187, and nothing is checked for an overflow that cannot be.

uint256 constant JOULES_PER_KWH = 3_600_000;

/// @return joules
function energyOf(uint64 watts, uint64 timesteps, uint32 timestepSeconds) pure returns (uint256) {
    unchecked {
        return uint256(watts) * timesteps * timestepSeconds;
    }
}

function paymentRoundedDown(uint256 energy, uint64 price) pure returns (uint256) {
    unchecked {
        return energy * price / JOULES_PER_KWH;
    }
}

function paymentRoundedUp(uint256 energy, uint64 price) pure returns (uint256) {
    unchecked {
        return (energy * price + JOULES_PER_KWH - 1) / JOULES_PER_KWH;
    }
}

/// The smallest int64 is no power, so the negation is safe.
function magnitude(int64 power) pure returns (uint64) {
    return uint64(power < 0 ? -power : power);
}

/// The magnitude comes from a power, so the cast is safe.
function withSign(uint64 watts, bool isProduction) pure returns (int64) {
    return isProduction ? int64(watts) : -int64(watts);
}

function min(uint64 a, uint64 b) pure returns (uint64) {
    return a < b ? a : b;
}

function max(uint64 a, uint64 b) pure returns (uint64) {
    return a > b ? a : b;
}

/// The nearest uint64.
function saturated(uint256 number) pure returns (uint64) {
    return number > type(uint64).max ? type(uint64).max : uint64(number);
}
