// Code with PKCE, refresh and revocation by `openid-client`, which knows this server only by its metadata.
//
//     node openid.mjs url                       prints, as JSON, where to send the owner, and what to remember
//     node openid.mjs use CALLBACK REMEMBERED   completes what came back

import assert from 'node:assert';
import {webcrypto} from 'node:crypto';
import {pathToFileURL} from 'node:url';

// The library wants it global, where older versions of Node do not have it.
globalThis.crypto ??= webcrypto;
const client = await import(pathToFileURL(process.env.OPENID_CLIENT).href);

const {SMARTCAR_CLIENT_ID: id, SMARTCAR_CLIENT_SECRET: secret, SMARTCAR_REDIRECT_URI: redirect_uri} = process.env;
const origin = process.env.SMARTCAR_API_ORIGIN;
const config = await client.discovery(new URL(origin), id, undefined, client.ClientSecretPost(secret), {
  algorithm: 'oauth2',
  execute: [client.allowInsecureRequests],
});
assert.strictEqual(config.serverMetadata().issuer, origin);
assert(config.serverMetadata().supportsPKCE());

const [what, callback, remembered] = process.argv.slice(2);
if (what === 'url') {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri,
    state,
    scope: 'read_vehicle_info read_odometer',
    mode: 'simulated',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  console.log(JSON.stringify({url: url.href, remembered: JSON.stringify({verifier, state})}));
} else {
  const {verifier, state} = JSON.parse(remembered);
  const checks = {pkceCodeVerifier: verifier, expectedState: state};
  await assert.rejects(
    client.authorizationCodeGrant(config, new URL(callback), {...checks, pkceCodeVerifier: `${verifier}x`}),
    'another verifier is refused, and does not spend the code',
  );
  const tokens = await client.authorizationCodeGrant(config, new URL(callback), checks);
  assert.strictEqual(tokens.token_type, 'bearer');
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notStrictEqual(next.access_token, tokens.access_token);
  const ask = (token) => client.fetchProtectedResource(config, token, new URL(`${origin}/v2.0/user`), 'GET');
  assert.strictEqual((await (await ask(next.access_token)).json()).id.length, 36);
  await client.tokenRevocation(config, next.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), 'what was revoked is spent');
  console.log('all is well');
}
