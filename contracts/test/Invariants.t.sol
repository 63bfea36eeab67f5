// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Vm} from "./Vm.sol";
import {MockMarket} from "./mocks/MockMarket.sol";
import {Handler} from "./invariants/Handler.sol";
import {MarketHandler} from "./invariants/MarketHandler.sol";

/// @title The manual's nine invariants, whatever happens in whatever order
/// @dev One campaign for each kind of deployment checks them all: `Promises` says how.
abstract contract Invariants {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    Handler internal handler;

    struct FuzzSelector {
        address target;
        bytes4[] selectors;
    }

    function setUp() external {
        handler = _world();
    }

    function _world() internal virtual returns (Handler);

    /// What forge calls at random: the handler's verbs and nothing else.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = Handler.grant.selector;
        selectors[1] = Handler.post.selector;
        selectors[2] = Handler.accept.selector;
        selectors[3] = Handler.meanwhile.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_the_ledger_keeps_its_promises() external view {
        handler.checkPromises();
    }

    /// After every fourth run everybody takes everything back; the tally of the run is written where somebody asks for it.
    function afterInvariant() external {
        string memory tally = _tally();
        if (handler.trades() % 4 == 0) handler.takeAllBack();
        string memory path = vm.envOr("PETRA_TALLY", string(""));
        if (bytes(path).length > 0) vm.writeLine(path, tally);
    }

    /* TALLY */

    /// calls, refusals, trades; then shapes of the offered and of the provided side; then trades by number of pieces.
    function _tally() internal view returns (string memory line) {
        line = string.concat(_name(), " ", vm.toString(handler.calls()), " ", vm.toString(handler.refusals()));
        line = string.concat(line, " ", vm.toString(handler.trades()));
        for (uint256 side = 0; side < 2; ++side) {
            for (uint256 shape = 0; shape < 5; ++shape) {
                line = string.concat(line, " ", vm.toString(handler.shapes(side, shape)));
            }
        }
        for (uint256 count = 0; count < 7; ++count) {
            line = string.concat(line, " ", vm.toString(handler.pieces(count)));
        }
    }

    function _name() internal pure virtual returns (string memory);
}

/// Prices are free, assets divisible: the paper's first come, first served.
contract FreeOffersInvariantsTest is Invariants {
    function _world() internal override returns (Handler) {
        return new Handler(address(0), 0, true);
    }

    function _name() internal pure override returns (string memory) {
        return "free-offers";
    }
}

/// One price for each period of eight timesteps.
contract PricedOffersInvariantsTest is Invariants {
    function _world() internal override returns (Handler) {
        return new Handler(address(0), 8, true);
    }

    function _name() internal pure override returns (string memory) {
        return "priced-offers";
    }
}

/// Assets are traded whole or not at all.
contract WholeLotsInvariantsTest is Invariants {
    function _world() internal override returns (Handler) {
        return new Handler(address(0), 0, false);
    }

    function _name() internal pure override returns (string memory) {
        return "whole-lots";
    }
}

/// A market locks and settles.
contract MarketInvariantsTest is Invariants {
    function _world() internal override returns (Handler) {
        return new MarketHandler(new MockMarket());
    }

    function _name() internal pure override returns (string memory) {
        return "market";
    }
}
