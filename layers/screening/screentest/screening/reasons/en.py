"""English. Keys: a code, or a code with a model's family, or both with a ratio. Values: title, advice."""

WORDS: dict[str, tuple[str, str]] = {
    "Passed": (
        "Can drive the video",
        "Nothing to do: the picture meets every requirement of this model.",
    ),
    # the picture
    "InvalidFile.NoHuman": (
        "No person with a visible face was found",
        "Choose a photo of one real person who looks towards the camera, with the whole face in view and "
        "large enough to see the features. Animals, toys and drawings do not count.",
    ),
    "InvalidFile.MultiHuman": (
        "More than one person is in the picture",
        "Choose a photo with one person only, or crop the others out of the frame, people in the "
        "background included.",
    ),
    "InvalidFile.BodyProportion": (
        "The face takes up too little or too much of the picture",
        "If the face is small, crop closer or step nearer to the camera; if it fills the picture, leave "
        "some room around the head. A face about a third as wide as the picture works well.",
    ),
    "InvalidFile.Resolution": (
        "The picture has too few or too many pixels",
        "Use a picture whose sides are all between 400 and 7000 pixels. Enlarging a small one does not "
        "help: take the original, or a new photo.",
    ),
    "InvalidFile.Value": (
        "The picture is too dark or too blurred",
        "Take the photo in even light that falls on the face, hold the camera still and focus on the eyes.",
    ),
    "InvalidFile.FrontBody": (
        "The person is facing away",
        "Choose a photo in which the person faces the camera with the chest and the face turned towards it.",
    ),
    "InvalidFile.FullFace": (
        "The face is hidden or covered in part",
        "Show the whole face: no mask, sunglasses, hand, cup, microphone or hair across it, and nothing "
        "cut off by the edge of the picture. Clear glasses are fine.",
    ),
    "InvalidFile.FacePose": (
        "The head is turned or tilted too far",
        "Look straight into the camera with the head upright. Both eyes should be equally well in view.",
    ),
    "InvalidFile.FullBody": (
        "The person is cut off by the edge of the picture",
        "Choose a photo with room around the whole head. For the ratio 3:4 everything above the hips must "
        "be in the picture as well.",
    ),
    "InvalidFile.Content": (
        "There is nobody in the picture, or more than one person",
        "Choose a photo with exactly one person. Crop others out of the frame, people in the background "
        "included.",
    ),
    "InvalidFile.BodyPose": (
        "The pose does not suit the animation",
        "Choose a photo of a person who stands and faces the camera, either whole from head to feet or "
        "from the head to the waist, with nothing large in front of the body. Sitting, side views and "
        "views from behind do not work.",
    ),
    "InvalidFile.Size": (
        "The file is too large",
        "Save the picture as a JPEG with a little less quality or fewer pixels: under 10 MB every model here takes it.",
    ),
    "InvalidFile.AspectRatio": (
        "The picture is too long and narrow",
        "Crop it so that no side is more than twice as long as the other.",
    ),
    "InvalidFile": (
        "The picture does not meet a requirement",
        "Choose another photo: one person, facing the camera, well lit and sharp, with the whole face in "
        "view.",
    ),
    "InvalidURL": (
        "The file is not a picture that can be read",
        "Upload it again as JPEG, PNG, BMP or WebP. If it opens on your computer, save it anew in one of "
        "these formats: renaming a file does not change what is in it.",
    ),
    "DataInspectionFailed": (
        "The detector's content check refused the picture",
        "The service took the content for unsuitable. Choose another picture.",
    ),
    "IPInfringementSuspect": (
        "Somebody else may hold rights in the picture",
        "Choose a picture that you have the rights to use, without logos, characters or stills from films.",
    ),
    # the setup: an operator's work, the picture is not at fault
    "InvalidApiKey": (
        "The detector did not accept the API key",
        "The picture was not judged. Put a valid key into the secret that the stack reads ("
        "DetectorApiKeySecretArn), then run 'screentest redrive'.",
    ),
    "SecretUnreadable": (
        "The secret with the detector's key cannot be read",
        "The picture was not judged. See that the secret exists (DetectorApiKeySecretArn) and that the function "
        "may read it and decrypt it, then run 'screentest redrive'.",
    ),
    "Arrearage": (
        "The detector's account is overdue or not activated",
        "The picture was not judged. Settle the account with the provider, then run 'screentest redrive'.",
    ),
    "AllocationQuota.FreeTierOnly": (
        "The free quota of the detector is used up",
        "The picture was not judged. Switch on paid use with the provider or deploy with "
        "Detector=self-hosted, then run 'screentest redrive'.",
    ),
    "Throttling.AllocationQuota": (
        "The quota of the detector is used up",
        "The picture was not judged. Raise the quota with the provider or deploy with Detector=self-hosted, "
        "then run 'screentest redrive'.",
    ),
    "AccessDenied": (
        "Access was denied",
        "The picture was not judged. Either the screen function may not read the object (look at the "
        "bucket policy and at the encryption key's policy) or the detector refuses the key. Mend it, then "
        "run 'screentest redrive'.",
    ),
    "AccessDenied.Unpurchased": (
        "The detector's account may not use this model",
        "The picture was not judged. Ask the provider for access to the model, or deploy with "
        "Detector=self-hosted, then run 'screentest redrive'.",
    ),
    "ModelNotFound": (
        "The detector does not know this model",
        "The picture was not judged. Alibaba Cloud lists its detectors as retired since 2026-10-10: deploy "
        "with Detector=self-hosted, or correct the model name in the routes, then run 'screentest redrive'.",
    ),
    "InvalidParameter": (
        "The detector did not accept the request",
        "The picture was not judged. Compare model and ratio of the route with what the detector supports, "
        "then run 'screentest redrive'.",
    ),
    "InvalidParameter.Ratio": (
        "The model does not support this ratio",
        "The picture was not judged. EMO takes 1:1 and 3:4, Emoji 1:1 only: correct the route, then run "
        "'screentest redrive'.",
    ),
    # passing trouble
    "Throttling": (
        "The detector was too busy",
        "The picture was not judged, although it was tried for hours. Lower MaximumConcurrency to what the "
        "detector allows, then run 'screentest redrive'.",
    ),
    "InvalidURL.Timeout": (
        "The detector could not download the picture",
        "The picture was not judged. The detector must be able to reach the bucket over the internet: far "
        "away, slow or blocked networks are the usual cause. Then run 'screentest redrive'.",
    ),
    "RequestTimeOut": (
        "The detector did not answer in time",
        "The picture was not judged. See whether the detector is healthy, then run 'screentest redrive'.",
    ),
    "InternalError": (
        "The detector failed",
        "The picture was not judged. See whether the detector is healthy, then run 'screentest redrive'. "
        "If this one picture keeps failing, save it anew as a plain JPEG and upload that.",
    ),
    "ServiceUnavailable": (
        "The detector was not available",
        "The picture was not judged. See whether the detector is up and reachable, then run 'screentest "
        "redrive'.",
    ),
    # the pipeline's own
    "ObjectGone": (
        "The picture was deleted or replaced before it was judged",
        "Nothing to do: a newer upload is screened by itself. Upload the picture again if it was deleted "
        "by mistake.",
    ),
    "ObjectArchived": (
        "The picture is in an archive and cannot be read",
        "The picture was not judged. Restore the object from its archive (S3 Glacier), then run 'screentest "
        "redrive', or upload it to another storage class.",
    ),
    "ObjectEncrypted": (
        "The picture is encrypted with a key that only its owner has",
        "The picture was not judged, and cannot be: with SSE-C no one else can read it. Upload it with SSE-S3 or "
        "SSE-KMS.",
    ),
    "TagLimit": (
        "There is no room for the verdict on the object",
        "The verdict is in the table, but the object already has ten tags. Remove one and upload the "
        "picture again, or read the verdict from the table.",
    ),
    "Crashed": (
        "Judging this picture crashed the function three times",
        "The picture was not judged. It may be damaged or extremely large: save it anew as a plain JPEG of "
        "ordinary size and upload that. If that fails too, look into the function's log.",
    ),
    "NotUnderstood": (
        "The detector's answer is not one that we know",
        "The picture was not judged. See whether the address in Detector is really that of a detection API, "
        "then run 'screentest redrive'.",
    ),
    "StoreUnavailable": (
        "A part of AWS that the screening needs did not answer",
        "The picture was not judged, or not all of its verdict was written. Look at the function's "
        "permissions and log, then run 'screentest redrive'.",
    ),
    "OutOfTime": (
        "The function had no time left for this picture",
        "The picture was not judged. It is tried again by itself; if that keeps happening, lower the batch "
        "size or raise the function's time-out.",
    ),
    "InvalidSettings": (
        "A setting of the function is missing or malformed",
        "Nothing is judged until it is mended. The function's log names the setting; deploy again with the "
        "right value.",
    ),
    "UnreadableEvent": (
        "The message names no object",
        "Nothing was judged. Something else than S3 or EventBridge writes to the queue: look at who may "
        "send to it.",
    ),
    "Busy": (
        "The picture is being judged already",
        "Nothing to do: the verdict will be there in a minute.",
    ),
    "Unreadable": (
        "The file could not be opened",
        "The picture was not judged. See whether the file is there and whether you may read it.",
    ),
    "Unknown": (
        "The detector gave no reason that we know",
        "Compare the picture with the requirements: one person, facing the camera, well lit and sharp, "
        "with the whole face in view. The code and the detector's message, if there is one, say more.",
    ),
}
