/* SPDX-License-Identifier: MIT */
/*
 * site.js: all of a site for a scenario: a network, an ork, an app-node, and an aditd with pool, miners
 * and miningos. close() asserts that nothing in what the racks answered and the plugin asked was wrong.
 */
'use strict'

const assert = require('node:assert')
const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

const { AppNode } = require('./app_node')
const { Daemon, SOURCE } = require('./daemon')
const { Network, isDht } = require('./network')
const { Ork } = require('./ork')
const { wait } = require('./suite')

const RACK = 'site-rack-1'
const TYPE = 'miner-sv2'
/* MH/s: what is more than this was no CPU miner. */
const MOST_MHS = 1000

class Site {
	/* miners: {name: hashes a second}; pool, miningos: further keys; configure(daemon): what more there is
	 * to be; ork, app, tokens: options of the stand-ins. */
	constructor({ miners = {}, pool = {}, miningos = {}, ork = {}, tokens = {}, app = {}, configure = () => {} } = {}) {
		Object.assign(this, { miners, poolKeys: pool, keys: miningos, orkOptions: ork, tokenOptions: tokens, appOptions: app, configureMore: configure })
		this.seed = crypto.randomBytes(32)
		this.problems = []
	}

	async start() {
		this.network = await new Network().start()
		await this.startOrk()
		await this.startApp()
		this.daemon = new Daemon()
		await this.daemon.configurePool(this.poolKeys)
		for (const [name, rate] of Object.entries(this.miners))
			this.daemon.configureMiner(name, rate)
		this.daemon.configure('miningos', {
			orchestrator_rpc_public_key: this.ork.key, rack_id: RACK, rack_type: TYPE, reconnect_interval_seconds: 1,
			bridge_path: process.env.MININGOS_BRIDGE || path.join(SOURCE, 'plugins/miningos/bridge'), ...this.networkKeys(),
			things_update_interval_seconds: 1, collection_interval_seconds: 1, update_interval_seconds: 1,
			app_node_url: this.app.url, token_cache_file: path.join(this.daemon.directory, 'token.json'), ...this.keys
		})
		await this.configureMore(this.daemon, this)
		if (this.keys.allow_keys === 'ORK')
			this.daemon.configure('miningos', { allow_keys: this.ork.net.clientKey })
		await this.daemon.start()
		await this.daemon.running()
		return this
	}

	networkKeys() {
		return isDht() ? { dht_bootstrap: this.network.where, dht_bind: '127.0.0.1' } : { bridge_transport: 'socket', bridge_socket_dir: this.network.where }
	}

	/* Every start of the ork has the same key; its registry is empty. */
	async startOrk(options = {}) {
		this.ork = await new Ork(this.network.make(this.seed), { interval: 100, limits: { mhs: MOST_MHS }, ...this.orkOptions, ...options }).start()
	}

	async stopOrk() {
		this.problems.push(...this.ork.problems)
		await this.ork.close()
	}

	async startApp(port = 0) {
		this.app = await new AppNode({ net: this.network.make(), orks: [this.ork.key], tokens: this.tokenOptions, ...this.appOptions }).start(port)
		for (const [name, role] of [['admin', 'admin'], ['second', 'admin'], ['operator', 'field_operator'], ['reader', 'read_only_user']])
			this.app.tokens.addUser(`${name}@example.com`, [role])
	}

	async stopApp() {
		this.problems.push(...this.app.violations)
		await this.app.close()
	}

	token(name, roles) {
		const user = this.app.tokens.users.get(`${name}@example.com`)
		return this.app.tokens.make(user, roles || user.roles, ['127.0.0.1'])
	}

	/* A request to the app-node as NAME@example.com; the body of a 200. */
	async rest(name, verb, where, body) {
		const headers = { authorization: `Bearer ${this.token(name)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
		const response = await fetch(this.app.url + where, { method: verb, headers, body: body === undefined ? undefined : JSON.stringify(body) })
		const answer = await response.json()
		assert.strictEqual(response.status, 200, `${verb} ${where}: ${JSON.stringify(answer)}`)
		return answer
	}

	/* The registered rack of miners, or of the pool; waits for it. */
	rack(type = TYPE) {
		return wait(`a rack of type ${type} is registered`, () => [...this.ork.racks.values()].find((r) => r.type === type))
	}

	/* Asks the rack of miners, over and over while the way to it is not there. */
	async call(method, argument = {}, type = TYPE) {
		const rack = await this.rack(type)
		return this.ork.call(rack, method, argument)
	}

	things(argument = {}) {
		return this.call('listThings', { status: 1, limit: 1000, ...argument })
	}

	/* Waits until the things of MINERS (their names, in config.pool_config's username or tags) are
	 * what CONDITION wants of all of them. */
	until(what, condition) {
		return wait(what, async () => {
			const list = await this.things()
			return (await condition(list)) ? list : false
		})
	}

	/* Proposes an action as NAME; {id, errors}. */
	async propose(name, action, params, query = {}) {
		const [answer] = await this.rest(name, 'POST', '/auth/actions/voting', { query, action, params })
		return answer
	}

	/* The same, where it has to be taken. */
	async proposed(name, action, params, query = {}) {
		const answer = await this.propose(name, action, params, query)
		assert.ok(answer.id, `${action} ${JSON.stringify(params)}: ${JSON.stringify(answer)}`)
		return answer
	}

	/* The action, once it is done. */
	done(id) {
		return wait(`action ${id} is done`, async () => {
			const [action] = await this.rest('admin', 'GET', `/auth/actions/done/${id}?overwriteCache=true`)
			return action.error === undefined || action.status ? action : false
		})
	}

	/* The results of its calls on the rack of miners. */
	async results(id) {
		const action = await this.done(id)
		assert.strictEqual(action.status, 'COMPLETED', JSON.stringify(action))
		return action.targets[RACK].calls
	}

	async close() {
		await this.daemon.stop()
		await this.stopApp()
		await this.stopOrk()
		await this.network.close()
		assert.deepEqual([...new Set(this.problems)], [])
	}

	/* After a failure: ends everything without asking; says where the log is. */
	async abandon() {
		if (this.daemon && this.daemon.child && this.daemon.end === undefined) {
			this.daemon.child.kill('SIGTERM')
			const timer = setTimeout(() => this.daemon.child.kill('SIGKILL'), 10000)
			await this.daemon.ended
			clearTimeout(timer)
		}
		if (this.daemon && fs.existsSync(this.daemon.log))
			console.log(`--- end of ${this.daemon.log}\n${this.daemon.tail(6000)}---`)
		for (const problem of new Set([...this.problems, ...this.ork.problems, ...this.app.violations]))
			console.log(`violation: ${problem}`)
		await this.app.close().catch(() => {})
		await this.ork.close().catch(() => {})
		await this.network.close().catch(() => {})
	}
}

/* Runs F(site) with a site of OPTIONS, and takes it down whatever comes. */
async function withSite(options, f) {
	const site = new Site(options)
	try {
		await site.start()
		await f(site)
		await site.close()
	} catch (e) {
		await site.abandon().catch((more) => console.log(more))
		throw e
	}
}

module.exports = { RACK, Site, TYPE, withSite }
