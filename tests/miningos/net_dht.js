/* SPDX-License-Identifier: MIT */
/*
 * net_dht.js: the transport that MiningOS has: @hyperswarm/rpc over a private HyperDHT on loopback.
 * The packages are looked for in $MININGOS_NODE_MODULES.
 */
'use strict'

const crypto = require('node:crypto')
const dgram = require('node:dgram')
const { createRequire } = require('node:module')
const path = require('node:path')

const { TransportError } = require('./net_socket')

function packages() {
	const from = process.env.MININGOS_NODE_MODULES
	if (!from)
		throw new Error('MININGOS_NODE_MODULES names no node_modules directory with @hyperswarm/rpc and hyperdht')
	const load = createRequire(path.join(path.resolve(from), 'x.js'))
	return { RPC: load('@hyperswarm/rpc'), DHT: load('hyperdht') }
}

/* A UDP port on loopback that was free a moment ago. */
async function freePort() {
	const socket = dgram.createSocket('udp4')
	await new Promise((resolve) => { socket.bind(0, '127.0.0.1', resolve) })
	const { port } = socket.address()
	await new Promise((resolve) => { socket.close(resolve) })
	return port
}

/* A bootstrapper and two more nodes: all there is of the DHT. restart() takes the same ports. */
class PrivateDht {
	async start() {
		const { DHT } = packages()
		this.port = this.port || await freePort()
		this.nodes = [DHT.bootstrapper(this.port, '127.0.0.1')]
		await this.nodes[0].ready()
		this.bootstrap = [{ host: '127.0.0.1', port: this.port }]
		for (let i = 0; i < 2; i++) {
			const node = new DHT({ bootstrap: this.bootstrap, ephemeral: false, host: '127.0.0.1', firewalled: false })
			await node.ready()
			this.nodes.push(node)
		}
	}

	async stop() {
		for (const node of this.nodes.splice(0))
			await node.destroy({ force: true })
	}
}

class DhtNet {
	constructor({ dht, seed = crypto.randomBytes(32) }) {
		const { RPC, DHT } = packages()
		const derive = (what) => crypto.createHash('sha256').update(seed).update(what).digest()
		const client = DHT.keyPair(derive('dht'))
		this.dht = new DHT({ bootstrap: dht.bootstrap, keyPair: client, host: '127.0.0.1' })
		const served = DHT.keyPair(derive('rpc'))
		this.rpc = new RPC({ dht: this.dht, keyPair: served })
		this.refuses = () => false /* of a client key: the firewall */
		this.server = this.rpc.createServer({ firewall: (peer) => this.refuses(peer.toString('hex')) })
		this.key = served.publicKey.toString('hex')
		this.clientKey = client.publicKey.toString('hex')
	}

	/* As SocketNet's. @hyperswarm/rpc asks for each method by name: METHODS lists them. */
	async serve(handler, methods) {
		for (const method of methods)
			this.server.respond(method, { valueEncoding: undefined }, (payload, rpc) =>
				handler(method, payload, rpc.stream.remotePublicKey.toString('hex')))
		await this.server.listen()
	}

	async request(key, method, payload, { timeout = 30000 } = {}) {
		let timer
		const late = new Promise((resolve, reject) => {
			timer = setTimeout(() => reject(new TransportError('TIMEOUT_EXCEEDED')), timeout)
		})
		const asked = this.rpc.request(Buffer.from(key, 'hex'), method, Buffer.from(payload), { timeout })
		asked.catch(() => {})
		try {
			return await Promise.race([asked, late])
		} finally {
			clearTimeout(timer)
		}
	}

	async close() {
		await this.rpc.destroy({ force: true })
		await this.dht.destroy({ force: true })
	}
}

module.exports = { DhtNet, PrivateDht }
