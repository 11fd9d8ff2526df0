// cloud-config-client: fetches in every form that it has and prints one JSON document.
const { load } = require('cloud-config-client');

const endpoint = process.env.CONFIG_URL;

async function main() {
  const plain = await load({ endpoint, name: 'myapp' });
  const profiles = await load({ endpoint, name: 'myapp', profiles: ['dev', 'db'] });
  const label = await load({ endpoint, name: 'myapp', profiles: 'dev', label: 'labels(_)slash' });
  const secrets = await load({ endpoint, name: 'secrets', auth: { user: 'someone', pass: 'ignored' } });
  const context = await load({ endpoint, name: 'placeholders', context: { absent: 'from context' } });
  const structure = await load({ endpoint, name: 'lists' });
  let missing = 'loaded';
  try {
    await load({ endpoint, name: 'myapp', label: 'nosuchlabel' });
  } catch (error) {
    missing = error.message;
  }
  console.log(JSON.stringify({
    plain: plain.get('order.winner'),
    profiles: [profiles.get('order.winner'), profiles.get('myapp.list[0]'), profiles.get('shared.dev')],
    label: [label.get('order.winner'), label.get('myapp.text') ?? null, label.raw.label],
    secret: secrets.get('password'),
    context: context.get('unresolved'),
    list: structure.toObject().objects,
    missing,
  }));
}

main().catch((error) => { console.error(error); process.exit(1); });
