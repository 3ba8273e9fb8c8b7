#!/bin/sh
# What the embedded models can do, in a few minutes and offline. Usage: scripts/demo.sh FOLDER
set -eu

folder=${1:-demo}
picture=$folder/pictures/images/000000.png
wish="a large green tree on the left, a medium orange cat in the center and a large purple house on the right, on a meadow"
rm -rf "$folder/vqa" "$folder/vqa-novel" "$folder/retrieval" "$folder/plans" "$folder/paintings" # answers of other weights are not gone on with
mkdir -p "$folder"

title() { printf '\n\033[1m%s\033[0m\n' "$1"; }
run() { printf '\033[36m$ %s\033[0m\n' "$*"; "$@"; }

title "This machine, and what it can run"
run gesso doctor
run gesso models

title "Pictures of scenes that training never saw"
run gesso storybook sheet --split test --count 12 --columns 4 --size 240 --seed 1 --captions --out "$folder/sheet.png"
run gesso storybook make --split test --count 4 --size 384 --seed 1 --out "$folder/pictures"

title "mini-llava looks at $picture"
run gesso ask "$picture" "Describe the picture in detail."
run gesso ask "$picture" "How many things are there?"
run gesso ask "$picture" "请详细描述这张图。"
run gesso ask "$picture" "有几个东西？"

title "A conversation, its lines from a file"
printf '%s\n' "What place is this?" "What does the picture show?" "/save $folder/conversation.json" >"$folder/lines.txt"
cat "$folder/lines.txt"
run gesso chat --image "$picture" <"$folder/lines.txt"

title "Small evaluations: exact answers, and captions found among a hundred"
run gesso eval mini-llava --task storybook-vqa --split test --count 64 --seed 1 --out "$folder/vqa"
run gesso eval mini-llava --task storybook-vqa --split novel --count 64 --seed 1 --out "$folder/vqa-novel"
run gesso eval mini-clip --task storybook-retrieval --split test --count 100 --seed 1 --out "$folder/retrieval"

title "mini-omni hears, in English and Chinese, and is asked about a picture by voice"
run gesso transcribe docs/sounds/how-many-en.ogg docs/sounds/where-zh.ogg
run gesso ask "$folder/pictures/images/000001.png" --audio docs/sounds/how-many-en.ogg --model mini-omni
run gesso ask "$folder/pictures/images/000001.png" --audio docs/sounds/where-zh.ogg --model mini-omni

title "mini-mgm reads a small sign; mini-llava, from as many tokens, cannot"
run gesso storybook make --split test --count 4 --things 3 --signs 1 --size 384 --seed 1 --out "$folder/signs"
run gesso ask "$folder/signs/images/000003.png" "What does the sign of the kite say?" --model mini-mgm
run gesso ask "$folder/signs/images/000003.png" "What does the sign of the kite say?"

title "A wish becomes a canvas, and the canvas a picture"
run gesso paint "$wish" --seed 1 --out "$folder/painting.png" --previews 5
run gesso canvas show "$folder/painting.png" --out "$folder/layout.png"

title "The picture carries its recipe: painted again, and changed in words"
run gesso paint "$folder/painting.png" --out "$folder/again.png"
run gesso repaint "$folder/painting.png" --wish "make the cat blue" --out "$folder/repainted.png"
run gesso canvas diff "$folder/painting.png" "$folder/repainted.png"

title "mini-moma paints a given subject anew, whose kind and colours it keeps, its pattern seldom: a reference, its mask, and two new pictures"
run gesso storybook make --split test --count 1 --things 1 --signs 0 --size 128 --seed 4 --out "$folder/subject"
run gesso personalize --subject cat --reference "$folder/subject/images/000000.png" --keep-mask "$folder/mask.png" \
    "At the beach there is one thing. On the left is a large cat." "In the snow there is one thing. In the middle is a medium cat." \
    --out "$folder/subject.png"

title "Small evaluations: canvases planned and edited, and things painted right by a judge that saw true renders only"
run gesso eval mini-omost --task storybook-canvas --split test --count 16 --seed 1 --out "$folder/plans"
run gesso eval mini-sdxl --task storybook-paint --split test --count 8 --seed 1 --out "$folder/paintings"

title "Made just now"
ls -1 "$folder"/*.png "$folder"/*.json "$folder"/pictures/images/*.png
printf 'Every answer of the evaluations: %s\n' "$folder"/*/samples.jsonl
printf 'The wish "%s": %s\n' "$wish" "$folder/painting.png"
