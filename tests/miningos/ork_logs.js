/* SPDX-License-Identifier: MIT */
/* ork_logs.js: how the orchestrator makes one series of the logs of several racks. */
'use strict'

const sum = (values) => values.reduce((a, b) => a + b, 0)
const avg = (values) => (values.length === 0 ? 0 : sum(values) / values.length)
const concat = (values) => Object.assign({}, ...values)
/* Counters are numbers, or grouped by container. */
const counted = (values) => sum(values.map((v) => (typeof v === 'number' ? v : sum(Object.values(v)))))

const both = (names, operation) => Object.fromEntries(names.flatMap((n) =>
	['1m', '5m'].map((p) => [`hashrate_mhs_${p}_${n}`, operation])))

/* Base type: which names, and how; <name>_aggr comes of <name>. */
const BASES = {
	miner: {
		...both(['sum', 'cnt', 'cnt_active'], sum), ...both(['avg'], avg),
		...both(['group_sum', 'type_group_sum', 'container_group_sum'], concat),
		power_w_sum: sum, power_w_avg: avg, uptime_ms_avg: avg, efficiency_w_ths_avg: avg, temperature_c_avg: avg,
		offline_or_sleeping_miners_cnt: counted, online_or_minor_error_miners_cnt: counted,
		error_miners_cnt: counted, not_mining_miners_cnt: counted, nominal_hashrate_mhs_sum: sum,
		pools_accepted_shares_total: sum, pools_rejected_shares_total: sum, pools_stale_shares_total: sum
	},
	container: {}, powermeter: {}, minerpool: {}
}

/* Entries of several racks (each newest first) that share a ts become one. */
function aggregate(base, lists, aggrFields) {
	const byTime = new Map()
	for (const e of lists.flat())
		byTime.set(e.ts, [...(byTime.get(e.ts) || []), e])
	return [...byTime.keys()].sort((a, b) => b - a).map((ts) => {
		const entries = byTime.get(ts)
		const out = { ts, aggrCount: entries.length, aggrIntervals: 1, aggrTsRange: `${ts}-${ts}` }
		for (const [name, operation] of Object.entries(BASES[base])) {
			const values = entries.map((e) => e[name]).filter((v) => v !== undefined && v !== null)
			if (values.length > 0 && (aggrFields === undefined || aggrFields[`${name}_aggr`]))
				out[`${name}_aggr`] = operation(values)
		}
		return out
	})
}

module.exports = { BASES, aggregate }
