/* SPDX-License-Identifier: MIT */
/*
 * stand_in.js FOLDER [PORT]: ork and app-node to try a rack by hand. Prints the ork's key, the app-node's
 * address and an administrator's token; then takes lines:
 *     ask METHOD JSON         asks the ork
 *     call RACK METHOD JSON   asks a registered rack
 * With MININGOS_DHT=1 over a private HyperDHT (see net_dht.js), else over sockets in FOLDER.
 */
'use strict'

const readline = require('node:readline')

const { AppNode } = require('./app_node')
const { Ork } = require('./ork')
const { Network } = require('./network')

async function main() {
	const [directory, port] = process.argv.slice(2)
	if (directory === undefined)
		throw new Error('usage: stand_in.js FOLDER [PORT]')
	const network = await new Network(directory).start()
	const make = () => network.make()
	const ork = await new Ork(make()).start()
	const app = await new AppNode({ net: make(), orks: [ork.key] }).start(Number(port) || 0)
	app.tokens.addUser('admin@example.com', ['admin'])
	const user = app.tokens.users.get('admin@example.com')
	console.log(JSON.stringify({ ork: ork.key, network: network.where, app_node: app.url, token: app.tokens.make(user, user.roles, ['127.0.0.1']) }))
	let shown = 0
	setInterval(() => {
		const all = [...ork.violations, ...app.violations]
		for (const v of all.slice(shown))
			console.log(`violation: ${v}`)
		shown = all.length
	}, 200)
	readline.createInterface({ input: process.stdin }).on('line', async (line) => {
		const [, verb, rest] = /^(\w+) (.*)$/.exec(line) || []
		const [, rack, method, text] = (verb === 'call' ? /^(\S+) (\w+) ?(.*)$/ : /^()(\w+) ?(.*)$/).exec(rest || '') || []
		try {
			const argument = JSON.parse(text || '{}')
			const answer = verb === 'call' ? await ork.call(ork.racks.get(rack), method, argument)
				: await ork.answer(method, Buffer.from(JSON.stringify(argument)), null, null)
			console.log(JSON.stringify(answer))
		} catch (e) {
			console.log(`error: ${e.message}`)
		}
	})
}

main().catch((e) => {
	console.error(e.message)
	process.exit(1)
})
