// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Sets of ids from which one can be drawn; an id is in one set at most
library Pool {
    struct Ids {
        uint64[] ids;
    }

    struct Sets {
        Ids[6] sets; // set 0 stays empty: an id that is filed there is in none
        mapping(uint64 id => uint256 set) setOf;
        mapping(uint64 id => uint256 index) indexOf;
    }

    function size(Ids storage pool) internal view returns (uint256) {
        return pool.ids.length;
    }

    function draw(Ids storage pool, uint256 chance) internal view returns (uint64) {
        return pool.ids[chance % pool.ids.length];
    }

    /// Moves an id to a set.
    function file(Sets storage pools, uint64 id, uint256 set) internal {
        uint256 before = pools.setOf[id];
        if (before == set) return;
        pools.setOf[id] = set;
        if (before != 0) {
            uint64[] storage ids = pools.sets[before].ids;
            (uint256 index, uint64 last) = (pools.indexOf[id], ids[ids.length - 1]);
            (ids[index], pools.indexOf[last]) = (last, index);
            ids.pop();
        }
        if (set != 0) {
            pools.indexOf[id] = pools.sets[set].ids.length;
            pools.sets[set].ids.push(id);
        }
    }
}
