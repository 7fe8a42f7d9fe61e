// SPDX-License-Identifier: MIT
// Who we are: three seeds, made at the first start, as a MiningOS worker has them, and the keys that
// come of them. seedDht is the client's, which other firewalls see; seedRpc the racks', which an ork
// is given; seedSwarm belongs to topics, which racks do not use, and is kept with the others so that
// an identity can be taken to a worker of MiningOS and back.
'use strict'

const crypto = require('crypto')
const fs = require('fs')

const SEEDS = ['seedDht', 'seedRpc', 'seedSwarm']
// An Ed25519 seed in PKCS #8 (RFC 8410): this, then the seed.
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

// The same pair as libsodium's crypto_sign_seed_keypair, which HyperDHT uses.
function keyPair (seed) {
  const key = crypto.createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = Buffer.from(crypto.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))

  return { publicKey, secretKey: Buffer.concat([seed, publicKey]) }
}

function make (file) {
  const seeds = Object.fromEntries(SEEDS.map((name) => [name, crypto.randomBytes(32).toString('hex')]))
  const fresh = `${file}.${process.pid}.new`
  const fd = fs.openSync(fresh, 'wx', 0o600)

  try {
    fs.writeSync(fd, JSON.stringify(seeds, null, '\t') + '\n')
    fs.fsyncSync(fd)
    fs.linkSync(fresh, file) // unlike rename, never over another one's
  } finally {
    fs.closeSync(fd)
    fs.unlinkSync(fresh)
  }
}

// The seeds in FILE, which is made when it is not there. One that is damaged is not replaced: with it the
// racks would lose the keys under which orks know them.
function load (file) {
  if (!fs.existsSync(file)) make(file)
  if ((fs.statSync(file).mode & 0o077) !== 0) throw new Error(`${file} is readable by others: chmod 600 ${file}`)
  const seeds = {}
  let stored
  try {
    stored = JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    stored = null // and not the error, which quotes what it read
  }
  for (const name of SEEDS) {
    if (!stored || !/^[0-9a-f]{64}$/i.test(stored[name])) {
      throw new Error(`${file} has no ${name} of 64 hex digits: restore it, or move it away for new keys, with which the racks have to be registered anew`)
    }
    seeds[name] = Buffer.from(stored[name], 'hex')
  }
  return seeds
}

// A rack's seed: seedRpc itself, or another one that is derived from it by a word.
function rackSeed (seedRpc, word) {
  return word === '' ? seedRpc : crypto.createHmac('sha256', seedRpc).update('adit rack ' + word).digest()
}

// <prefix>-<uuid>, the same at each start, which tells nothing of the seed.
function instanceId (prefix, seed) {
  const id = crypto.createHmac('sha256', seed).update('adit instance').digest().subarray(0, 16)

  id[6] = (id[6] & 0x0f) | 0x40
  id[8] = (id[8] & 0x3f) | 0x80
  return prefix + '-' + id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

module.exports = function identity (file, racks) {
  const seeds = load(file)

  return {
    client: keyPair(seeds.seedDht),
    racks: racks.map((rack) => {
      const seed = rackSeed(seeds.seedRpc, rack.seed)

      return { ...rack, keyPair: keyPair(seed), instance: instanceId(rack.type, seed) }
    })
  }
}
