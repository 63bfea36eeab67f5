# The bodies of PETra's messages, version 1 (DESIGN 5; the paper's 4.2 sends them by RIAPS = ZeroMQ + Cap'n Proto).
#
# A body follows the fixed header of `envelope.py`, whose kind says which struct it is, and travels as one flat,
# unpacked Cap'n Proto message. The header, not this file, carries the version and the deadline.
#
# Units: power in watts, production > 0 and consumption < 0; timesteps are indices, both ends of an interval are
# inclusive; money in nano-units, prices in nano-units per kWh; registers in joules.
# Data fields have the fixed length that their comment names; a reader refuses any other.
#
# How it may change: give new fields the next free number; never renumber, retype or reuse one. An older reader passes
# over what it does not know, a newer one finds zeros where an older writer knew nothing. Anything else is a new version.

@0xa7c1f3d95e2b6480;

struct WithdrawAssets {
  # Prosumer to DSO: assets wanted, all or nothing.
  assets @0 :List(RequestedAsset);
}

struct RequestedAsset {
  anonAddress @0 :Data;  # 20 bytes
  power @1 :Int64;       # 0 = no energy asset, then start = end = 0
  start @2 :UInt64;
  end @3 :UInt64;
  amount @4 :UInt64;     # 0 = no money
  proof @5 :Data;        # 65 bytes r, s, v by the pseudonym (`address_proof_digest`), or nothing
}

struct WithdrawalGranted {
  # DSO to prosumer. Padded with zero bytes to the length of every answer.
  requestId @0 :Data;    # 16 bytes, the message id of the request
}

struct FailedWithdrawal {
  # DSO to prosumer. Padded with zero bytes to the length of every answer.
  requestId @0 :Data;    # 16 bytes, the message id of the request
  anonAddress @1 :Data;  # 20 bytes, the pseudonym whose asset was refused
  reason @2 :Text;       # a GrantReason's word, at most 64 bytes
}

struct PriceSchedule {
  # DSO to everyone: the prices that hold from a timestep on.
  fromTimestep @0 :UInt64;
  retail @1 :UInt64;
  feedIn @2 :UInt64;
  local @3 :UInt64;
  gridFee @4 :UInt64;
  imbalance @5 :UInt64;
  bulk @6 :UInt64;
}

struct MeterReading {
  # Meter to DSO: the registers at the end of a timestep, since the meter's start.
  timestep @0 :UInt64;
  produced @1 :UInt64;
  consumed @2 :UInt64;
  previous @3 :Data;     # 32 bytes, links the readings of a meter; zeros in its first
}

struct BillStatement {
  # DSO to prosumer: the bill's exact text, JSON in UTF-8.
  document @0 :Data;
}

struct MessageReceipt {
  # Recipient to sender: this envelope has come.
  envelopeHash @0 :Data; # 32 bytes
}

struct Enrol {
  # Newcomer to DSO: an account asks to be enrolled; its key has signed the envelope.
  token @0 :Data;          # the operator's one-time token, at most 64 bytes
  meter @1 :Data;          # 20 bytes, the address of the meter's key
  curveKey @2 :Data;       # 32 bytes, the sender's public key on the fabric; zeros = none
  meterCurveKey @3 :Data;  # 32 bytes, the meter's; zeros = none
  meterProof @4 :Data;     # 65 bytes r, s, v by the meter (`meter_proof_digest`)
}

struct Enrolled {
  # DSO to newcomer: the answer, JSON in UTF-8: terms and prices, or {"refused": an EnrolmentReason's word}.
  requestId @0 :Data;      # 16 bytes, the message id of the request
  document @1 :Data;
}

struct Curtailment {
  # DSO to prosumer: a control signal: at most so much may flow at the home's meter, whatever it was granted.
  number @0 :UInt64;       # counts the DSO's curtailments; of those that cover a timestep the highest holds
  exports @1 :Bool;        # true = what is exported is bounded, false = what is imported
  limitWatts @2 :UInt64;   # 2^64 - 1 = lifted
  start @3 :UInt64;        # the first timestep
  end @4 :UInt64;          # the last timestep, inclusive
}
