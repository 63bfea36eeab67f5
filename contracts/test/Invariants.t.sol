// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Handler} from "./Handler.sol";
import {Vm} from "./Vm.sol";

/// @title The manual's invariants 1, 3 and 4, whatever happens in whatever order
contract InvariantsTest {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    Handler internal handler;
    IPetra internal petra;

    function setUp() external {
        handler = new Handler();
        petra = handler.ledger();
    }

    struct FuzzSelector {
        address target;
        bytes4[] selectors;
    }

    /// What forge calls at random: the handler's verbs and nothing else.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](7);
        selectors[0] = Handler.grant.selector;
        selectors[1] = Handler.post.selector;
        selectors[2] = Handler.rescind.selector;
        selectors[3] = Handler.accept.selector;
        selectors[4] = Handler.depositAsset.selector;
        selectors[5] = Handler.depositMoney.selector;
        selectors[6] = Handler.wait.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_1_energy_per_timestep_and_side_is_what_was_issued() external view {
        uint256[24][2] memory live;
        for (uint64 id = 1; id <= handler.lastAssetID(); ++id) {
            (address owner, int64 power, uint64 start, uint64 end,) = petra.assets(id);
            if (owner == address(0)) continue;
            uint256[24] memory side = live[power > 0 ? 1 : 0];
            for (uint64 timestep = start; timestep <= end; ++timestep) {
                side[timestep] += uint64(power > 0 ? power : -power);
            }
        }
        for (uint64 timestep = 0; timestep < handler.TIMESTEPS(); ++timestep) {
            _assertBalanced(live[1][timestep], true, timestep);
            _assertBalanced(live[0][timestep], false, timestep);
        }
    }

    function _assertBalanced(uint256 live, bool isProduction, uint64 timestep) internal view {
        uint256 deposited = handler.deposited(isProduction, timestep);
        vm.assertEq(live + deposited, handler.issued(isProduction, timestep), "energy of a timestep");
    }

    function invariant_3_free_escrowed_and_deposited_money_is_what_was_issued() external view {
        uint256 money = handler.depositedMoney();
        for (uint160 number = 0; number < handler.people(); ++number) {
            money += petra.balances(handler.person(number));
        }
        uint256 timestepSeconds = petra.terms().timestepSeconds;
        for (uint64 offerID = 1; offerID <= handler.lastOfferID(); ++offerID) {
            (, uint64 assetID, uint64 price, bool open) = petra.offers(offerID);
            (, int64 power, uint64 start, uint64 end,) = petra.assets(assetID);
            if (!open || power > 0) continue;
            money += uint256(uint64(-power)) * (end - start + 1) * timestepSeconds * price / 3_600_000;
        }
        vm.assertEq(money, handler.issuedMoney(), "money");
    }

    function invariant_4_an_asset_on_offer_is_in_exactly_one_open_offer() external view {
        uint256 onOffer = 0;
        for (uint64 id = 1; id <= handler.lastAssetID(); ++id) {
            (,,,, uint64 offerID) = petra.assets(id);
            if (offerID == 0) continue;
            ++onOffer;
            (, uint64 assetID,, bool open) = petra.offers(offerID);
            vm.assertTrue(open && assetID == id, "the offer of an asset is open and names it");
        }
        uint256 open_ = 0;
        for (uint64 offerID = 1; offerID <= handler.lastOfferID(); ++offerID) {
            (,,, bool open) = petra.offers(offerID);
            if (open) ++open_;
        }
        vm.assertEq(open_, onOffer, "as many open offers as assets on offer");
    }
}
