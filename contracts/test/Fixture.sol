// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPetra} from "../src/IPetra.sol";
import {Vm} from "./Vm.sol";

/// @title A deployment at timestep 0, its people, and short words for what they do
/// @dev 4000 W over one timestep are 1 kWh, so a price is also what one timestep of 4000 W costs.
abstract contract Fixture {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address internal constant DSO = address(0xD50);
    address internal constant ALICE = address(0xA11CE); // produces
    address internal constant BOB = address(0xB0B); // consumes
    address internal constant CAROL = address(0xCA201); // consumes too
    address internal constant MALLORY = address(0xBAD); // owns nothing

    uint64 internal constant GENESIS = 1_700_000_000;
    uint32 internal constant T = 900;
    uint32 internal constant GATE = 1;
    uint32 internal constant MAX_LENGTH = 96;
    uint64 internal constant MAX_PRICE = 10 ** 12;
    uint64 internal constant MARKET_LOCK = type(uint64).max;
    int64 internal constant KW4 = 4000;
    uint64 internal constant PRICE = 300_000_000;
    uint64 internal constant FUNDS = 10 ** 12;
    /// At timestep 0.
    uint64 internal constant FIRST_TRADEABLE = 2;

    IPetra internal petra;

    function setUp() public virtual {
        petra = _deploy(_terms());
        _at(0);
    }

    /* WORLD */

    function _terms() internal pure returns (IPetra.Terms memory) {
        return IPetra.Terms({
            dso: DSO,
            issuer: address(0),
            market: address(0),
            genesis: GENESIS,
            timestepSeconds: T,
            gate: GATE,
            maxLength: MAX_LENGTH,
            maxPrice: MAX_PRICE,
            pricePeriod: 0,
            divisible: true
        });
    }

    /// Deploys the compiled contract by name, so that the tests need not compile it again. Where it is refused, so is
    /// the test; a refusal that was expected and did not come is told by forge in the same way.
    function _deploy(IPetra.Terms memory terms) internal returns (IPetra deployed) {
        bytes memory creation = bytes.concat(vm.getCode("Petra.sol:Petra"), abi.encode(terms));
        assembly {
            deployed := create(0, add(creation, 32), mload(creation))
            if iszero(deployed) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    /// Moves to the last second of a timestep.
    function _at(uint256 timestep) internal {
        vm.warp(GENESIS + (timestep + 1) * T - 1);
    }

    /// The nearest thing to `number` in [low, high].
    function _bound(uint256 number, uint256 low, uint256 high) internal pure returns (uint64) {
        return uint64(low + number % (high - low + 1));
    }

    /* ACTIONS */

    function _grant(address holder, int64 power, uint64 start, uint64 end) internal returns (uint64 assetID) {
        vm.prank(DSO);
        return petra.addEnergyAsset(holder, power, start, end);
    }

    function _fund(address holder, uint64 amount) internal {
        vm.prank(DSO);
        petra.addFinancialBalance(holder, amount);
    }

    function _post(address poster, uint64 assetID, uint64 price) internal returns (uint64 offerID) {
        vm.prank(poster);
        return petra.postOffer(assetID, price);
    }

    function _rescind(address poster, uint64 offerID) internal {
        vm.prank(poster);
        petra.rescindOffer(offerID);
    }

    function _accept(address acceptor, uint64 offerID, uint64 assetID) internal {
        vm.prank(acceptor);
        petra.acceptOffer(offerID, assetID);
    }

    function _depositAsset(address owner, uint64 assetID) internal {
        vm.prank(owner);
        petra.depositEnergyAsset(assetID);
    }

    function _depositMoney(address holder, uint64 amount) internal {
        vm.prank(holder);
        petra.depositFinancial(amount);
    }

    /* EXPECTATIONS */

    /// The next call must be refused with exactly this error.
    function _refuses(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function _refuses(bytes4 selector, uint256 argument) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, argument));
    }

    function _refuses(bytes4 selector, uint256 first, uint256 second) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, first, second));
    }

    function _refuses(bytes4 selector, address who) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, who));
    }

    function _refuses(bytes4 selector, uint256 id, address who) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, id, who));
    }

    function _refusesInsufficient(address who, uint256 balance, uint256 needed) internal {
        vm.expectRevert(abi.encodeWithSelector(IPetra.InsufficientBalance.selector, who, balance, needed));
    }

    /// What was told since `vm.recordLogs` is exactly what this test emits itself after taking it.
    function _assertTold(Vm.Log[] memory told) internal {
        Vm.Log[] memory expected = vm.getRecordedLogs();
        vm.assertEq(told.length, expected.length, "number of events");
        for (uint256 i = 0; i < told.length; ++i) {
            vm.assertEq(told[i].emitter, address(petra), "who tells");
            vm.assertEq(told[i].topics, expected[i].topics, "event and indexed arguments");
            vm.assertEq(told[i].data, expected[i].data, "arguments");
        }
    }

    function _assertAsset(uint64 assetID, address owner, int64 power, uint64 start, uint64 end, uint64 offerID)
        internal
        view
    {
        (address owner_, int64 power_, uint64 start_, uint64 end_, uint64 offerID_) = petra.assets(assetID);
        vm.assertEq(owner_, owner, "owner");
        vm.assertEq(power_, power, "power");
        vm.assertEq(start_, start, "start");
        vm.assertEq(end_, end, "end");
        vm.assertEq(offerID_, offerID, "offer of the asset");
    }

    function _assertUnknown(uint64 assetID) internal view {
        _assertAsset(assetID, address(0), 0, 0, 0, 0);
    }

    function _assertOpen(uint64 offerID, address poster, uint64 assetID, uint64 price) internal view {
        (address poster_, uint64 assetID_, uint64 price_, bool open) = petra.offers(offerID);
        vm.assertEq(poster_, poster, "poster");
        vm.assertEq(assetID_, assetID, "asset of the offer");
        vm.assertEq(price_, price, "price");
        vm.assertTrue(open, "open");
    }

    function _assertClosed(uint64 offerID) internal view {
        (address poster,,, bool open) = petra.offers(offerID);
        vm.assertEq(poster, address(0), "poster of a closed offer");
        vm.assertTrue(!open, "closed");
    }

    function _assertBalance(address holder, uint256 balance) internal view {
        vm.assertEq(petra.balances(holder), balance, "balance");
    }
}
