// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Ghost} from "./Ghost.sol";

/// @title The manual's nine invariants, read off the whole ledger
/// @dev Invariants 2, 7 and 8 are about what a verb does, so they are checked call by call: 2 and 7 in `_checkTrade`
/// (every holder has, per timestep and side, what it had, less what it gave, plus what it got, and nothing before the gate
/// moves), 8 because the handler fails where a deposit or a rescind is refused, and by taking everything back at the end.
abstract contract Promises is Ghost {
    function checkPromises() external view {
        uint256[] memory production = new uint256[](lastTimestep + 1);
        uint256[] memory consumption = new uint256[](lastTimestep + 1);
        uint256 setAside = 0;
        uint256 onOffer = 0;
        for (uint64 id = 1; id <= lastAssetID; ++id) {
            Asset memory asset = _readAsset(id);
            _5_ids_are_never_reused(asset, _assets[id]);
            if (asset.owner == address(0)) continue;
            _count(asset.power > 0 ? production : consumption, asset);
            setAside += _escrowOf(id) + lockedMoney[id];
            if (asset.offerID == 0 || asset.offerID == MARKET_LOCK) continue;
            ++onOffer;
            require(_offers[asset.offerID].assetID == id, "the offer of an asset names it");
            _9_nothing_spent_is_on_offer(asset);
        }
        require(_readAsset(lastAssetID + 1).owner == address(0), "assets are numbered one by one");
        _1_energy_per_timestep_and_side_is_what_was_issued(production, consumption);
        _3_money_is_what_was_issued_and_where_it_should_be(setAside);
        _4_an_asset_on_offer_is_in_exactly_one_open_offer(onOffer);
        _6_each_address_was_granted_at_most_once();
    }

    function _count(uint256[] memory watts, Asset memory asset) internal pure {
        for (uint64 timestep = asset.start; timestep <= asset.end; ++timestep) {
            watts[timestep] += _magnitude(asset.power);
        }
    }

    function _1_energy_per_timestep_and_side_is_what_was_issued(
        uint256[] memory production,
        uint256[] memory consumption
    ) internal view {
        for (uint64 k = 0; k <= lastTimestep; ++k) {
            require(production[k] + deposited[true][k] == issued[true][k], "production of a timestep");
            require(consumption[k] + deposited[false][k] == issued[false][k], "consumption of a timestep");
        }
    }

    function _3_money_is_what_was_issued_and_where_it_should_be(uint256 setAside) internal view {
        uint256 money = setAside;
        for (uint256 i = 0; i < holders.length; ++i) {
            uint256 free = balance[holders[i]];
            if (petra.balances(holders[i]) != free) revert("balance");
            money += free;
        }
        require(money + depositedMoney == issuedMoney, "money");
        require(money <= type(uint64).max, "money on the ledger");
    }

    /// Of every asset on offer it is known that its offer names it: so it is enough to count the open offers.
    function _4_an_asset_on_offer_is_in_exactly_one_open_offer(uint256 onOffer) internal view {
        uint256 open = 0;
        for (uint64 offerID = 1; offerID <= lastOfferID; ++offerID) {
            Offer memory offer = _readOffer(offerID);
            if (_hash(offer) != _hash(_offers[offerID])) revert("no offer changes unnamed");
            if (offer.open) ++open;
        }
        require(_readOffer(lastOfferID + 1).assetID == 0, "offers are numbered one by one");
        require(open == onOffer, "as many open offers as assets on offer");
    }

    /// Ids count up, as the handler sees; one that is gone stays gone, and no asset changes but by a verb that names it.
    function _5_ids_are_never_reused(Asset memory asset, Asset memory noted) internal pure {
        if (_hash(asset) != _hash(noted)) revert("no asset changes unnamed");
    }

    function _6_each_address_was_granted_at_most_once() internal view {
        for (uint256 i = 0; i < holders.length; ++i) {
            bool isOnce = energyGrants[holders[i]] <= 1 && moneyGrants[holders[i]] <= 1;
            if (!isOnce && holders[i] != DSO) revert("energy once, money once");
        }
    }

    function _9_nothing_spent_is_on_offer(Asset memory asset) internal pure {
        require(!asset.spent, "what is spent is only held");
    }

    function _hash(Asset memory asset) internal pure returns (bytes32) {
        return keccak256(abi.encode(asset));
    }

    function _hash(Offer memory offer) internal pure returns (bytes32) {
        return keccak256(abi.encode(offer));
    }
}
