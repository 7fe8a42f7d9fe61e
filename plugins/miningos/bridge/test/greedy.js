// SPDX-License-Identifier: MIT
// greedy.js PORT KEY: a peer of its own on the DHT at 127.0.0.1:PORT that asks the rack KEY for much. Says
// for each answer its length. For dht.test.js, which stops it in between.
'use strict'

const DHT = require('hyperdht')
const RPC = require('@hyperswarm/rpc')

async function main ([port, key]) {
  const dht = new DHT({ bootstrap: [{ host: '127.0.0.1', port: Number(port) }], host: '127.0.0.1', firewalled: false, port: 0 })
  const client = new RPC({ dht }).connect(Buffer.from(key, 'hex'))

  await client.request('ping', Buffer.from('1'))
  for (let i = 0; i < 40; i++) {
    client.request('listThings', Buffer.from('{}')).then((answer) => console.log(answer.length), (error) => console.log(error.code))
  }
}

main(process.argv.slice(2))
