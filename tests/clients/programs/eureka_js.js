// eureka-js-client: registers, fetches, and prints what it sees until its standard input ends.
const { Eureka } = require('eureka-js-client');

const url = new URL(process.env.EUREKA_URL);
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const client = new Eureka({
  logger: quiet,
  shouldUseDelta: true,
  instance: {
    app: process.env.APP,
    instanceId: process.env.INSTANCE_ID,
    hostName: 'localhost',
    ipAddr: '127.0.0.1',
    vipAddress: process.env.APP.toLowerCase(),
    port: { $: Number(process.env.PORT), '@enabled': 'true' },
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
  },
  eureka: {
    host: url.hostname,
    port: url.port,
    servicePath: url.pathname.replace(/\/$/, '') + '/apps/',
    heartbeatInterval: 1000,
    registryFetchInterval: 1000,
    maxRetries: 0,
  },
});

client.start();
const printing = setInterval(() => {
  const apps = {};
  for (const [name, instances] of Object.entries(client.cache.app)) {
    apps[name] = instances.map((each) => each.instanceId).sort();
  }
  console.log('SEES ' + JSON.stringify({ apps }));
}, 200);
process.stdin.resume();
process.stdin.on('end', () => {
  clearInterval(printing);
  client.stop(() => process.exit(0));
});
