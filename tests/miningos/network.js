/* SPDX-License-Identifier: MIT */
/*
 * network.js: what ork, app-node and racks reach each other on: sockets in a folder, or a private HyperDHT
 * when $MININGOS_DHT is set (net_dht.js says what that needs).
 */
'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const { SocketNet } = require('./net_socket')

const isDht = () => Boolean(process.env.MININGOS_DHT)

class Network {
	/* Without DIRECTORY one of its own is made, and removed at the end. */
	constructor(directory) {
		this.directory = directory
		this.nets = []
	}

	async start() {
		if (isDht()) {
			this.dht = new (require('./net_dht').PrivateDht)()
			await this.dht.start()
			this.where = `127.0.0.1:${this.dht.port}`
		} else {
			this.own = this.directory === undefined
			this.directory = this.directory || fs.mkdtempSync(path.join(os.tmpdir(), 'adit-mos-'))
			this.where = this.directory
		}
		return this
	}

	/* A peer with keys of its own, or with those of SEED. */
	make(seed) {
		const net = this.dht ? new (require('./net_dht').DhtNet)({ dht: this.dht, seed }) : new SocketNet({ directory: this.directory, seed })
		this.nets.push(net)
		return net
	}

	async close() {
		for (const net of this.nets)
			await net.close()
		if (this.dht)
			await this.dht.stop()
		if (this.own)
			fs.rmSync(this.directory, { recursive: true, force: true })
	}
}

module.exports = { Network, isDht }
