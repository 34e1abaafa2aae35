"""Words for one model's family, in every language. Keys: a code with the family, or with family and ratio.

They take the place of the general ones (`en`, `zh`, `ja`) where those would mislead.
"""

WORDS: dict[str, dict[str, tuple[str, str]]] = {
    "InvalidFile.FacePose animate-anyone": {
        "en": (
            "The face is hidden, or turned or tilted too far",
            "Face the camera with the head upright and the whole face in view: no mask, and no hand or object "
            "in front of it.",
        ),
        "zh": (
            "脸部被遮住，或头部转动、倾斜过大",
            "请面向镜头，头部端正，露出整张脸：不要戴口罩，脸前也不要有手或物品。",
        ),
        "ja": (
            "顔が隠れているか、向きや傾きが大きすぎます",
            "頭をまっすぐにしてカメラを向き、顔全体が見えるようにしてください。マスクや、顔の前の手や物は外して"
            "ください。",
        ),
    },
    "InvalidFile.Resolution animate-anyone": {
        "en": (
            "The picture has too few or too many pixels",
            "Use a picture whose sides are all more than 224 and less than 4096 pixels. Scale a larger one down"
            "; for a smaller one take the original, or a new photo.",
        ),
        "zh": (
            "图片的像素太少或太多",
            "请使用每条边都大于 224 像素、小于 4096 像素的图片。太大的可以缩小；太小的请用原图或重新拍摄。",
        ),
        "ja": (
            "画像のピクセル数が少なすぎるか、多すぎます",
            "縦横とも 224 ピクセルより大きく 4096 ピクセルより小さい画像を使ってください。大きい場合は縮小し、"
            "小さい場合は元の画像を使うか、撮り直してください。",
        ),
    },
    "InvalidFile.FullBody emo 1:1": {
        "en": (
            "The head is cut off by the edge of the picture",
            "Choose a photo that shows the whole head from the hair to the chin, with some room around it.",
        ),
        "zh": (
            "头部被画面边缘切掉了一部分",
            "请换一张从头发到下巴都完整、头部四周留有空间的照片。",
        ),
        "ja": (
            "頭が画像の端で切れています",
            "髪からあごまで頭全体が入り、まわりに余白のある写真を選んでください。",
        ),
    },
    "InvalidFile.FullBody emo 3:4": {
        "en": (
            "The upper body is not fully in the picture",
            "Choose a photo that shows everything from the top of the head down to the hips, or screen this "
            "one with the ratio 1:1, which needs the head only.",
        ),
        "zh": (
            "上半身没有完整出现在画面中",
            "请换一张从头顶到髋部都完整的照片；也可以改用 1:1 画幅，它只要求头部完整。",
        ),
        "ja": (
            "上半身がすべて写っていません",
            "頭の先から腰までがすべて写った写真を選んでください。頭だけでよい 1:1 の比率で判定することもできま"
            "す。",
        ),
    },
    "InvalidFile.FacePose emoji": {
        "en": (
            "Head turned or tilted, or the expression too strong",
            "Look straight into the camera with the head upright and a calm face: a light smile is fine, a "
            "wide-open mouth, a tongue or a grimace is not.",
        ),
        "zh": (
            "头部转动或倾斜过大，或表情过于夸张",
            "请正视镜头，头部端正，表情自然：微笑可以，张大嘴、吐舌头或做鬼脸不行。",
        ),
        "ja": (
            "顔の向きや傾きが大きすぎるか、表情が大げさです",
            "頭をまっすぐにしてカメラを正面から見て、自然な表情にしてください。軽い笑顔は問題ありませんが、大き"
            "く開けた口、舌を出した顔、しかめ面は使えません。",
        ),
    },
    "InvalidFile.FullBody emoji": {
        "en": (
            "The head is cut off by the edge of the picture",
            "Choose a photo that shows the whole head from the hair to the chin, with some room around it.",
        ),
        "zh": (
            "头部被画面边缘切掉了一部分",
            "请换一张从头发到下巴都完整、头部四周留有空间的照片。",
        ),
        "ja": (
            "頭が画像の端で切れています",
            "髪からあごまで頭全体が入り、まわりに余白のある写真を選んでください。",
        ),
    },
    "InvalidFile.FullFace emoji": {
        "en": (
            "The face is covered, or a hand is close to it",
            "Show the whole face, with no mask, sunglasses or hair across it, and keep hands and objects well "
            "away from the head. Clear glasses are fine.",
        ),
        "zh": (
            "脸部被遮住，或手离脸太近",
            "请露出整张脸，不要有口罩、墨镜或头发遮挡，手和物品也要远离头部。透明镜片的眼镜没有问题。",
        ),
        "ja": (
            "顔が隠れているか、手が顔の近くにあります",
            "マスク、サングラス、髪などが顔にかからないようにし、手や物は頭から離してください。透明なレンズの眼"
            "鏡は問題ありません。",
        ),
    },
    "InvalidFile.NoHuman liveportrait": {
        "en": (
            "No face was found that is large, frontal and in full view",
            "Choose a photo of a real person who looks towards the camera, with the face large in the picture and "
            "nothing in front of it: no mask, hand or sunglasses.",
        ),
        "zh": (
            "没有找到足够大、正面且完整的脸",
            "请换一张真人照片：面向镜头，脸在画面中足够大，前面没有口罩、手或墨镜等遮挡。",
        ),
        "ja": (
            "大きく正面を向いた、隠れていない顔が見つかりません",
            "カメラのほうを向いた実在の人物の写真を選んでください。顔が大きく写り、マスク、手、サングラスなどで隠れて"
            "いないものにします。",
        ),
    },
    "InvalidFile.Resolution liveportrait": {
        "en": (
            "The picture has too many pixels",
            "Scale the picture down so that its longest side has at most 4096 pixels.",
        ),
        "zh": (
            "图片的像素太多",
            "请缩小图片，使最长边不超过 4096 像素。",
        ),
        "ja": (
            "画像のピクセル数が多すぎます",
            "一番長い辺が 4096 ピクセル以下になるように縮小してください。",
        ),
    },
    "InvalidFile.NoHuman wan2.2-s2v": {
        "en": (
            "No person with a visible face was found",
            "Choose a picture of one person who looks towards the camera, with the whole face in view and large "
            "enough to see the features.",
        ),
        "zh": (
            "没有找到露出正脸的人物",
            "请换一张图片：只有一个人，面向镜头，整张脸都看得见，五官足够清楚。",
        ),
        "ja": (
            "顔の見える人物が見つかりません",
            "カメラのほうを向いた人物が一人だけ写り、顔全体が見えて目鼻立ちがわかる画像を選んでください。",
        ),
    },
}
