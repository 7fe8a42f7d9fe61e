# SPDX-License-Identifier: MIT
# What the tests of lib/capnp say to the reference implementation: every kind of field, and objects for
# every kind of conversation.
@0xb1f0c3a95d2e7714;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("trial");

struct Everything @0xd5a2f4c1e6b38901 {
  flag @0 :Bool;
  small @1 :Int8;
  medium @2 :UInt16;
  number @3 :Int32 = -7;
  large @4 :UInt64 = 123456789012345;
  real @5 :Float64 = 1.5;
  other @6 :Bool = true;
  text @7 :Text;
  data @8 :Data;
  numbers @9 :List(UInt64);
  bits @10 :List(Bool);
  names @11 :List(Text);
  inner @12 :Inner;
  inners @13 :List(Inner);
  shorts @14 :List(UInt16);
}

struct Inner @0xe1f2a3b4c5d60718 {
  id @0 :UInt32;
  name @1 :Text;
  next @2 :Inner;
}

struct Outer @0xc0ffee0123456789 {
  counter @0 :Counter;
}

interface Trial @0xa1b2c3d4e5f60001 {
  echo @0 (text :Text, data :Data) -> (text :Text, data :Data);
  counter @1 (start :UInt64) -> (counter :Counter);
  # Calls `to` that many times, with 0, 1, 2 ..., and adds up what it answers.
  callBack @2 (to :Sink, times :UInt32) -> (sum :UInt64);
  fail @3 (type :UInt16, reason :Text);
  # Is never answered.
  hang @4 ();
  # Calls of hang that were cancelled, and counters that live.
  seen @5 () -> (cancelled :UInt32, counters :UInt32);
  # A counter that will be known when `resolve` says.
  later @6 () -> (counter :Counter);
  resolve @7 (to :Counter);
  # Keeps the object, until `drop`.
  keep @8 (what :Sink);
  drop @9 ();
  # The peer does not have it.
  missing @10 ();
  nested @11 () -> (outer :Outer);
}

interface Counter @0xa1b2c3d4e5f60002 {
  next @0 () -> (value :UInt64);
}

interface Sink @0xa1b2c3d4e5f60003 {
  take @0 (value :UInt64) -> (value :UInt64);
}
