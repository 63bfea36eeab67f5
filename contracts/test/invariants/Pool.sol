// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title A set of ids from which one can be drawn
library Pool {
    struct Ids {
        uint64[] ids;
        mapping(uint64 id => uint256 place) places; // 1 + index; 0 = not in the pool
    }

    function size(Ids storage pool) internal view returns (uint256) {
        return pool.ids.length;
    }

    function draw(Ids storage pool, uint256 chance) internal view returns (uint64) {
        return pool.ids[chance % pool.ids.length];
    }

    /// Puts an id in, or takes it out, or leaves it as it is.
    function set(Ids storage pool, uint64 id, bool isIn) internal {
        uint256 place = pool.places[id];
        if (isIn == (place != 0)) return;
        if (isIn) {
            pool.ids.push(id);
            pool.places[id] = pool.ids.length;
            return;
        }
        uint64 last = pool.ids[pool.ids.length - 1];
        pool.ids[place - 1] = last;
        pool.places[last] = place;
        pool.places[id] = 0;
        pool.ids.pop();
    }
}
