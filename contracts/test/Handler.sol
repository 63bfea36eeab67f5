// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Fixture} from "./Fixture.sol";
import {Vm} from "./Vm.sol";

/// @title Everything that can happen to a deployment, in any order, with the sums of what was issued and deposited
/// @dev Callers are always entitled to what they do, so that most calls succeed; a refusal is an outcome, too.
contract Handler is Fixture {
    uint64 public constant TIMESTEPS = 24;
    uint64 internal constant LENGTH = 6;

    uint64 public lastAssetID;
    uint64 public lastOfferID;
    uint160 public people;
    uint256 public accepted;
    uint256 public issuedMoney;
    uint256 public depositedMoney;
    mapping(bool isProduction => mapping(uint64 timestep => uint256 watts)) public issued;
    mapping(bool isProduction => mapping(uint64 timestep => uint256 watts)) public deposited;

    constructor() {
        setUp();
        vm.recordLogs();
        for (uint64 i = 0; i < 8; ++i) {
            grant(1000 * (1 + i), 4 * i, 5, i % 2 == 0);
        }
    }

    function ledger() external view returns (IPetra) {
        return petra;
    }

    function person(uint160 number) public pure returns (address) {
        return address(0x1000 + number);
    }

    /// A person is granted an asset and money.
    function grant(uint64 watts, uint64 start, uint64 length, bool isProduction) public {
        watts = _bound(watts, 1, 10_000);
        start = _bound(start, 0, TIMESTEPS - LENGTH);
        uint64 end = start + _bound(length, 0, LENGTH - 1);
        address newcomer = person(people++);
        _fund(newcomer, FUNDS);
        issuedMoney += FUNDS;
        _grant(newcomer, isProduction ? int64(watts) : -int64(watts), start, end);
        for (uint64 timestep = start; timestep <= end; ++timestep) {
            issued[isProduction][timestep] += watts;
        }
        _count();
    }

    function post(uint64 assetID, uint64 price) external {
        assetID = _bound(assetID, 1, lastAssetID);
        (address owner,,,,) = petra.assets(assetID);
        _try(owner, abi.encodeCall(petra.postOffer, (assetID, _bound(price, 0, PRICE))));
    }

    function rescind(uint64 offerID) external {
        offerID = _bound(offerID, 0, lastOfferID);
        (address poster,,,) = petra.offers(offerID);
        _try(poster, abi.encodeCall(petra.rescindOffer, (offerID)));
    }

    /// Looks on from a random offer for an open one, and from a random asset for one of the other side.
    function accept(uint64 offerID, uint64 assetID) external {
        for (uint64 i = 0; i < lastOfferID; ++i) {
            uint64 candidate = _bound(uint256(offerID) + i, 1, lastOfferID);
            (, uint64 offeredID,, bool open) = petra.offers(candidate);
            if (open) return _acceptWith(candidate, offeredID, assetID);
        }
    }

    function _acceptWith(uint64 offerID, uint64 offeredID, uint64 assetID) internal {
        (, int64 power,,,) = petra.assets(offeredID);
        for (uint64 i = 0; i < lastAssetID; ++i) {
            uint64 candidate = _bound(uint256(assetID) + i, 1, lastAssetID);
            (address owner, int64 provided,,, uint64 lock) = petra.assets(candidate);
            bool fits = owner != address(0) && lock == 0 && !petra.spent(candidate) && (provided > 0) != (power > 0);
            if (!fits) continue;
            if (_try(owner, abi.encodeCall(petra.acceptOffer, (offerID, candidate)))) {
                ++accepted;
                return;
            }
        }
    }

    function depositAsset(uint64 assetID) external {
        assetID = _bound(assetID, 1, lastAssetID);
        (address owner, int64 power, uint64 start, uint64 end,) = petra.assets(assetID);
        if (!_try(owner, abi.encodeCall(petra.depositEnergyAsset, (assetID)))) return;
        for (uint64 timestep = start; timestep <= end; ++timestep) {
            deposited[power > 0][timestep] += uint64(power > 0 ? power : -power);
        }
    }

    function depositMoney(uint160 number, uint64 amount) external {
        address holder = person(uint160(_bound(number, 0, people - 1)));
        amount = _bound(amount, 0, petra.balances(holder));
        if (_try(holder, abi.encodeCall(petra.depositFinancial, (amount)))) depositedMoney += amount;
    }

    function wait(uint8 seconds_) external {
        vm.warp(block.timestamp + seconds_);
    }

    function _try(address sender, bytes memory call) internal returns (bool done) {
        vm.prank(sender);
        (done,) = address(petra).call(call);
        _count();
    }

    /// Ids are given one after the other, and every one of them is told.
    function _count() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 kind = logs[i].topics[0];
            if (kind == IPetra.AssetAdded.selector || kind == IPetra.AssetSplit.selector) ++lastAssetID;
            if (kind == IPetra.OfferPosted.selector) ++lastOfferID;
        }
    }
}
