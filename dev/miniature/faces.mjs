// Prints {name: [svg, ...]}: each person keeps hair, colours and accessory; eyes and mouth vary between pictures.
// "" holds faces of nobody in particular, for "a person".
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [worldFile, packages] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(createRequire(`${packages}/`).resolve(name)));
const { createAvatar } = await load("@dicebear/core");
const face = await load("@dicebear/big-smile");

const choices = (key) => face.schema.properties[key].items.enum ?? face.schema.properties[key].default;
const hair = choices("hair"), hairColor = choices("hairColor"), skin = choices("skinColor");
const eyes = choices("eyes"), mouth = choices("mouth");
const accessories = [null, "glasses", "catEars", "mustache", "sunglasses", "clownNose", "sailormoonCrown"];

function draw(looks, expression) {
  const accessory = accessories[looks % accessories.length];
  return createAvatar(face, {
    seed: "mini", hair: [hair[looks % hair.length]], hairColor: [hairColor[(looks * 3) % hairColor.length]],
    skinColor: [skin[(looks * 5 + 2) % skin.length]], eyes: [eyes[expression % eyes.length]],
    mouth: [mouth[(expression * 3) % mouth.length]],
    accessories: accessory ? [accessory] : [], accessoriesProbability: accessory ? 100 : 0,
  }).toString();
}

const people = JSON.parse(readFileSync(worldFile)).concepts.filter((c) => c.kind === "person");
const out = { "": [] };
people.forEach((person, i) => { out[person.name] = [0, 1, 2, 3, 4, 5].map((e) => draw(i, e)); });
for (let k = 0; k < 60; k++) out[""].push(draw(people.length + 7 * k + (k % 5), k));
process.stdout.write(JSON.stringify(out));
