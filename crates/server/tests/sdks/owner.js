// What a team does with the official Node SDK, every function of it that speaks v2.
//
//     node owner.js url               prints where to send the owner
//     node owner.js use CODE          redeems the code and uses the car
//     node owner.js ford CODE         the same for a car that takes commands
//     node owner.js origins           calls every host that the SDK knows, and prints those that are not this machine
//
// No call leaves this machine: the name of any other host is noted, and not looked up. Only environment variables say where the server is. What is not as expected ends the script with an error that says so.

'use strict';

const assert = require('assert');
const dns = require('dns');

const strayed = new Set();
const lookup = dns.lookup;
dns.lookup = (host, options, callback) => {
  if (['127.0.0.1', 'localhost'].includes(host)) {
    return lookup(host, options, callback);
  }
  strayed.add(host);
  return (callback || options)(new Error(`${host} is not this machine`));
};

const smartcar = require('smartcar');

const SCOPES = [
  'read_vehicle_info', 'read_vin', 'read_odometer', 'read_location', 'read_battery', 'read_charge', 'read_fuel',
  'read_engine_oil', 'read_tires', 'read_security', 'read_diagnostics', 'read_service_history',
  'control_security', 'control_charge', 'control_navigation',
];
const AMT = process.env.MILEPOST_AMT;
const WEBHOOK = process.env.MILEPOST_WEBHOOK;
const UNKNOWN = '0190a8c8-0000-7000-8000-000000000000';

const client = () => new smartcar.AuthClient({mode: 'test', redirectUri: process.env.SMARTCAR_REDIRECT_URI});

/** The error of a call that has to fail in this way. */
async function refused(call, status, type) {
  const error = await call().then((answer) => assert.fail(`${JSON.stringify(answer)} was not refused`), (error) => error);
  assert(error instanceof smartcar.SmartcarError, error);
  assert.deepStrictEqual([error.statusCode, error.type], [status, type], error.message);
  return error;
}

/** Data that a vehicle gave says when, by which request and in which units. */
function fresh(answer, unit) {
  assert.strictEqual(answer.meta.requestId.length, 36);
  assert(answer.meta.dataAge instanceof Date && !Number.isNaN(answer.meta.dataAge.getTime()), JSON.stringify(answer.meta));
  assert(answer.meta.fetchedAt instanceof Date, JSON.stringify(answer.meta));
  if (unit) {
    assert.strictEqual(answer.meta.unitSystem, unit);
  }
  return answer;
}

async function redeemed(code) {
  const access = await client().exchangeCode(code);
  assert.deepStrictEqual([access.accessToken.length, access.refreshToken.length], [36, 36]);
  assert(access.expiration > new Date());
  await assert.rejects(client().exchangeCode('nonsense'), /Invalid code: nonsense\./);
  await assert.rejects(client().exchangeRefreshToken('nonsense'), /Invalid refresh_token: nonsense\./);
  return (await client().exchangeRefreshToken(access.refreshToken)).accessToken;
}

async function account(token) {
  const user = await smartcar.getUser(token);
  assert.strictEqual(user.id.length, 36);
  const error = await refused(() => smartcar.getUser('nonsense'), 401, 'AUTHENTICATION');
  assert(error.message.includes('missing parameters, spelling and casing mistakes'), error.message);
  const {vehicles, paging} = await smartcar.getVehicles(token);
  assert.deepStrictEqual([vehicles.length, paging.count], [1, 1]);
  const beyond = await smartcar.getVehicles(token, {offset: 1});
  assert.deepStrictEqual([beyond.vehicles, beyond.paging.offset], [[], 1]);
  assert.strictEqual(smartcar.getApiVersion(), '2.0');
  smartcar.setApiVersion('999999.0');
  assert.strictEqual((await smartcar.getUser(token)).id, user.id);
  smartcar.setApiVersion('2.0');
  return [user.id, vehicles[0]];
}

async function reads(car) {
  const attributes = await car.attributes();
  assert.deepStrictEqual([attributes.make, attributes.model], ['CHEVROLET', 'Volt']);
  assert(Number.isInteger(attributes.year));
  assert.strictEqual((await car.vin()).vin.length, 17);
  assert(fresh(await car.odometer(), 'metric').distance > 0);
  assert(Math.abs(fresh(await car.location()).latitude) <= 90);
  const battery = fresh(await car.battery(), 'metric');
  assert(battery.percentRemaining > 0 && battery.percentRemaining <= 1 && battery.range > 0);
  assert(fresh(await car.batteryCapacity()).capacity > 0);
  await car.nominalCapacity();
  const charge = fresh(await car.charge());
  assert.strictEqual(charge.isPluggedIn, true, 'a fresh car is plugged in');
  assert(['CHARGING', 'NOT_CHARGING'].includes(charge.state), 'and not full');
  assert(fresh(await car.getChargeLimit()).limit > 0);
  const fuel = fresh(await car.fuel(), 'metric');
  assert(fuel.range > 0 && fuel.percentRemaining > 0 && fuel.percentRemaining <= 1 && fuel.amountRemaining > 0);
  assert(fresh(await car.engineOil()).lifeRemaining <= 1);
  const tires = fresh(await car.tirePressure(), 'metric');
  const imperial = new smartcar.Vehicle(car.id, car.token, {unitSystem: 'imperial'});
  const psi = fresh(await imperial.tirePressure(), 'imperial');
  assert(psi.frontLeft > 10 && psi.frontLeft < tires.frontLeft, JSON.stringify(psi));
  assert.strictEqual(typeof (await car.lockStatus()).isLocked, 'boolean');
}

/** v3 as the tokens of owners read it. */
async function signals(car, token) {
  const vehicle = await smartcar.getVehicle(token, car.id);
  assert.strictEqual(vehicle.body.attributes.make, 'CHEVROLET');
  const known = (await car.getSignals()).body;
  assert(known.data.length > 3, JSON.stringify(known));
  assert.strictEqual(known.included.vehicle.id, car.id);
  const one = (await car.getSignal('odometer-traveleddistance')).body;
  assert(one.attributes.body.value > 0, JSON.stringify(one));
}

/** What was asked for, as far as the car has it. */
async function permissions(car) {
  const {permissions: granted} = await car.permissions();
  assert(granted.every((one) => SCOPES.includes(one)) && granted.includes('read_odometer'), granted.join());
  const page = await car.permissions({limit: 1, offset: 1});
  assert.deepStrictEqual([page.permissions.length, page.paging.count, page.paging.offset], [1, granted.length, 1]);
}

async function batch(car) {
  const answers = await car.batch(['/odometer', '/location', '/engine/oil', '/charge/limit', '/']);
  assert(answers.odometer().distance > 0);
  assert(answers.location().meta.dataAge instanceof Date);
  assert(answers.engineOil().lifeRemaining <= 1);
  assert(answers.chargeLimit().limit > 0);
  assert.strictEqual(answers.attributes().make, (await car.attributes()).make);
  await refused(() => car.batch(['/odometre']), 400, 'VALIDATION');
}

async function request(car) {
  const answer = await car.request('get', 'odometer', undefined, {'sc-unit-system': 'imperial'});
  assert(answer.body.distance > 0);
  assert.strictEqual(answer.meta.unitSystem, 'imperial');
  await refused(() => new smartcar.Vehicle('bad_id', car.token).odometer(), 400, 'VALIDATION');
  const error = await refused(() => new smartcar.Vehicle(UNKNOWN, car.token).odometer(), 403, 'PERMISSION');
  assert.strictEqual(error.resolution.type, 'REAUTHENTICATE');
}

async function commands(car) {
  const done = (answer) => {
    assert.deepStrictEqual([answer.status, answer.message], ['success', 'Successfully sent request to vehicle']);
    assert.strictEqual(answer.meta.requestId.length, 36);
  };
  // In any order, and twice: a car that was just connected obeys.
  for (const change of ['startCharge', 'startCharge', 'stopCharge', 'stopCharge', 'startCharge']) {
    done(await car[change]());
    assert.strictEqual((await car.charge()).state, change === 'startCharge' ? 'CHARGING' : 'NOT_CHARGING');
  }
  for (const change of ['lock', 'lock', 'unlock', 'unlock']) {
    done(await car[change]());
    assert.strictEqual((await car.lockStatus()).isLocked, change === 'lock');
  }
  done(await car.sendDestination(40.748817, -73.985428));
  for (const limit of [0.7, 0.8]) {
    done(await car.setChargeLimit(limit));
    assert.strictEqual((await car.getChargeLimit()).limit, limit);
  }
  assert(await car.serviceHistory());
  assert(Array.isArray((await car.diagnosticSystemStatus()).systems));
  assert(Array.isArray((await car.diagnosticTroubleCodes()).activeCodes));
}

async function webhooks(car) {
  const subscribed = await car.subscribe(WEBHOOK);
  assert.deepStrictEqual([subscribed.webhookId, subscribed.vehicleId], [WEBHOOK, car.id]);
  await refused(() => car.unsubscribe('nonsense', WEBHOOK), 401, 'AUTHENTICATION');
  assert.strictEqual((await car.unsubscribe(AMT, WEBHOOK)).status, 'success');
  await refused(() => car.subscribe(UNKNOWN), 400, 'VALIDATION');
  assert.strictEqual(
    smartcar.hashChallenge('amt', 'challenge'),
    '9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e',
  );
  const signature = '4c05a8da471f05156ad717baa4017acd13a3a809850b9ca7d3301dcaaa854f70';
  assert(smartcar.verifyPayload('amt', signature, {pizza: 'pasta'}));
}

async function compatibility() {
  const scope = ['read_odometer', 'read_location'];
  const tesla = await smartcar.getCompatibility('5YJXCDE22HF068739', scope, 'US');
  assert.deepStrictEqual([tesla.compatible, tesla.reason], [true, null]);
  assert(tesla.capabilities.every((one) => one.capable));
  const other = await smartcar.getCompatibility('WBAKE5C58DJ107700', scope, 'US');
  assert.deepStrictEqual([other.compatible, other.reason], [false, 'VEHICLE_NOT_COMPATIBLE']);
  const matrix = await smartcar.getCompatibilityMatrix('US', {make: ['NISSAN'], type: 'BEV', scope});
  assert(matrix.NISSAN.length > 0);
  assert(matrix.NISSAN.every((model) => scope.every((one) => model.permissions.includes(one))));
}

async function management(user, vehicle) {
  const {connections, paging} = await smartcar.getConnections(AMT, {vehicleId: vehicle}, {limit: 1});
  assert.deepStrictEqual([connections.length, paging.cursor], [1, null]);
  assert.deepStrictEqual([connections[0].vehicleId, connections[0].userId], [vehicle, user]);
  const deleted = await smartcar.deleteConnections(AMT, {userId: user});
  assert.deepStrictEqual(deleted.connections.map((one) => one.vehicleId), [vehicle]);
  assert.deepStrictEqual((await smartcar.getConnections(AMT, {userId: user})).connections, []);
}

/** Every host that the SDK calls or sends owners to, and that is not this machine. */
async function origins() {
  const vehicle = new smartcar.Vehicle(UNKNOWN, 'nonsense');
  const calls = [
    () => smartcar.getUser('nonsense'),
    () => smartcar.getVehicles('nonsense'),
    () => smartcar.getVehicle('nonsense', UNKNOWN),
    () => smartcar.getCompatibility('5YJXCDE22HF068739', ['read_odometer'], 'US'),
    () => smartcar.getCompatibilityMatrix('US', {}),
    () => smartcar.getConnections('nonsense', {}, {}),
    () => smartcar.deleteConnections('nonsense', {userId: UNKNOWN}),
    () => client().exchangeCode('nonsense'),
    () => client().exchangeRefreshToken('nonsense'),
    () => vehicle.odometer(),
    () => vehicle.lock(),
    () => vehicle.disconnect(),
    () => vehicle.getSignals(),
    () => vehicle.getSignal('odometer-traveleddistance'),
    () => vehicle.batch(['/odometer']),
    () => vehicle.subscribe(WEBHOOK),
    () => vehicle.unsubscribe('nonsense', WEBHOOK),
  ];
  for (const call of calls) {
    // Nobody is let in; where the call went is what counts.
    await Promise.resolve().then(call).catch(() => {});
  }
  const page = new URL(client().getAuthUrl(SCOPES)).hostname;
  const all = new Set([...strayed, page].filter((host) => host !== '127.0.0.1'));
  console.log(JSON.stringify([...all].sort()));
}

async function main([what, code]) {
  if (what === 'origins') {
    await origins();
    return;
  }
  if (what === 'url') {
    console.log(client().getAuthUrl(SCOPES, {forcePrompt: true, state: 'of-mine'}));
    return;
  }
  const token = await redeemed(code);
  const [user, vehicle] = await account(token);
  const car = new smartcar.Vehicle(vehicle, token);
  await permissions(car);
  if (what === 'ford') {
    await commands(car);
    assert.strictEqual((await car.disconnect()).status, 'success');
    await refused(() => car.odometer(), 403, 'PERMISSION');
  } else {
    await reads(car);
    await signals(car, token);
    await batch(car);
    await request(car);
    await webhooks(car);
    await compatibility();
    await management(user, vehicle);
  }
  assert.strictEqual(strayed.size, 0, [...strayed].join());
  console.log('all is well');
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
