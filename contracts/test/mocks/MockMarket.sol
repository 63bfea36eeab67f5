// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../../src/IPetra.sol";

/// @title A market that lets owners lock what is theirs, and settles whatever it is asked for
contract MockMarket {
    IPetra internal petra;

    function connect(IPetra petra_) external {
        petra = petra_;
    }

    function lock(uint64 assetID, uint64 money) external {
        petra.lock(msg.sender, assetID, money);
    }

    function unlock(uint64 assetID) external {
        petra.unlock(assetID);
    }

    function settle(uint64 bidAsset, uint64 askAsset, int64 power, uint64 start, uint64 end, uint64 payment) external {
        petra.settle(bidAsset, askAsset, power, start, end, payment);
    }
}
