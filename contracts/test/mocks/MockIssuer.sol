// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../../src/IPetra.sol";

/// @title An issuer that issues whatever it is asked for
contract MockIssuer {
    function issue(IPetra petra, IPetra.EnergyGrant[] calldata energy, IPetra.FinancialGrant[] calldata money)
        external
    {
        petra.addAssets(energy, money);
    }
}
