"""Simplified Chinese. Keys and values as in `en`."""

WORDS: dict[str, tuple[str, str]] = {
    "Passed": (
        "可以用来生成视频",
        "无需处理：图片符合该模型的全部要求。",
    ),
    # the picture
    "InvalidFile.NoHuman": (
        "没有找到露出正脸的人物",
        "请换一张真人照片：只有一个人，面向镜头，整张脸都看得见，五官足够清楚。动物、玩具和手绘形象不算人物。",
    ),
    "InvalidFile.MultiHuman": (
        "图片里不止一个人",
        "请换一张单人照片，或把其他人（包括背景里的人）裁掉。",
    ),
    "InvalidFile.BodyProportion": (
        "人脸在画面中占得太小或太大",
        "脸太小时，请裁近一些，或靠近镜头重拍；脸占满画面时，请在头部四周留出空间。脸宽约为画面的三分之一时"
        "效果较好。",
    ),
    "InvalidFile.Resolution": (
        "图片的像素太少或太多",
        "请使用每条边都在 400 到 7000 像素之间的图片。把小图放大没有用，请用原图或重新拍摄。",
    ),
    "InvalidFile.Value": (
        "图片太暗或太模糊",
        "请在均匀的光线下重拍，让光照到脸上，拿稳相机，并对准眼睛对焦。",
    ),
    "InvalidFile.FrontBody": (
        "人物背对镜头",
        "请换一张人物正对镜头的照片，身体和脸都要朝向镜头。",
    ),
    "InvalidFile.FullFace": (
        "脸部被遮住，或没有完整露出",
        "请露出整张脸：不要有口罩、墨镜、手、杯子、话筒或头发挡住，也不要被画面边缘切掉。透明镜片的眼镜没有"
        "问题。",
    ),
    "InvalidFile.FacePose": (
        "头部转动或倾斜的角度过大",
        "请正视镜头，头部保持端正，两只眼睛都要同样清楚。",
    ),
    "InvalidFile.FullBody": (
        "人物被画面边缘切掉了一部分",
        "请换一张头部完整、四周留有空间的照片。画幅为 3:4 时，髋部以上也要全部在画面内。",
    ),
    "InvalidFile.Content": (
        "图片里没有人，或不止一个人",
        "请换一张只有一个人的照片，并把其他人（包括背景里的人）裁掉。",
    ),
    "InvalidFile.BodyPose": (
        "人物的姿势不适合生成动画",
        "请换一张人物站立、面向镜头的照片：从头到脚全身，或从头到腰半身，身前不要有大件物品。坐姿、侧身和背"
        "影都不行。",
    ),
    "InvalidFile.Size": (
        "文件太大",
        "请另存为 JPEG，适当降低质量或像素：小于 10 MB 的图片，这里的各个模型都能接受。",
    ),
    "InvalidFile.AspectRatio": (
        "图片过于狭长",
        "请裁剪图片，使长边不超过短边的两倍。",
    ),
    "InvalidFile": (
        "图片不符合要求",
        "请换一张照片：只有一个人，面向镜头，光线充足，画面清晰，整张脸都露出来。",
    ),
    "InvalidURL": (
        "文件不是可以读取的图片",
        "请以 JPEG、PNG、BMP 或 WebP 格式重新上传。如果在电脑上能打开，请用图片软件另存为这些格式；只改文件"
        "名没有用。",
    ),
    "DataInspectionFailed": (
        "检测服务的内容审核没有通过",
        "服务认为图片内容不合适，请换一张图片。",
    ),
    "IPInfringementSuspect": (
        "检测服务怀疑图片涉及他人的知识产权",
        "请换一张您有权使用的图片，不要带有商标、动漫角色或影视画面。",
    ),
    # the setup
    "InvalidApiKey": (
        "检测服务不接受 API Key",
        "图片尚未检测。请在本系统读取的密钥（DetectorApiKeySecretArn）中填入有效的 Key，然后运行 “"
        "screentest redrive”。",
    ),
    "SecretUnreadable": (
        "无法读取保存检测服务 Key 的密钥",
        "图片尚未检测。请确认该密钥（DetectorApiKeySecretArn）存在，并且函数有权读取和解密，然后运行 “"
        "screentest redrive”。",
    ),
    "Arrearage": (
        "检测服务的账户欠费或未开通",
        "图片尚未检测。请先与服务商结清费用，然后运行 “screentest redrive”。",
    ),
    "AllocationQuota.FreeTierOnly": (
        "检测服务的免费额度已用完",
        "图片尚未检测。请在服务商处开通付费，或以 Detector=self-hosted 重新部署，然后运行 “screentest "
        "redrive”。",
    ),
    "Throttling.AllocationQuota": (
        "检测服务的额度已用完",
        "图片尚未检测。请向服务商申请提高额度，或以 Detector=self-hosted 重新部署，然后运行 “screentest "
        "redrive”。",
    ),
    "AccessDenied": (
        "访问被拒绝",
        "图片尚未检测。可能是检测函数无权读取该对象（请查看存储桶策略和加密密钥策略），也可能是检测服务拒绝"
        "了 Key。处理后请运行 “screentest redrive”。",
    ),
    "AccessDenied.Unpurchased": (
        "检测服务的账户无权使用该模型",
        "图片尚未检测。请向服务商申请该模型的权限，或以 Detector=self-hosted 重新部署，然后运行 “"
        "screentest redrive”。",
    ),
    "ModelNotFound": (
        "检测服务中没有这个模型",
        "图片尚未检测。阿里云公告称其检测模型已于 2026-10-10 下线：请以 Detector=self-hosted 重新部署，或更"
        "正路由中的模型名称，然后运行 “screentest redrive”。",
    ),
    "InvalidParameter": (
        "检测服务不接受该请求",
        "图片尚未检测。请核对路由中的模型和画幅是否受检测服务支持，然后运行 “screentest redrive”。",
    ),
    "InvalidParameter.Ratio": (
        "该模型不支持这个画幅",
        "图片尚未检测。EMO 支持 1:1 和 3:4，Emoji 只支持 1:1：请更正路由，然后运行 “screentest redrive”。",
    ),
    # passing trouble
    "Throttling": (
        "检测服务过于繁忙",
        "连续重试数小时后仍未检测。请把 MaximumConcurrency 调低到检测服务允许的范围，然后运行 “screentest "
        "redrive”。",
    ),
    "InvalidURL.Timeout": (
        "检测服务无法下载图片",
        "图片尚未检测。检测服务必须能通过互联网访问存储桶，常见原因是距离太远、网络太慢或被拦截。处理后请运"
        "行 “screentest redrive”。",
    ),
    "RequestTimeOut": (
        "检测服务没有及时响应",
        "图片尚未检测。请查看检测服务是否正常，然后运行 “screentest redrive”。",
    ),
    "InternalError": (
        "检测服务出错",
        "图片尚未检测。请查看检测服务是否正常，然后运行 “screentest redrive”。如果只有这一张总是失败，请"
        "另存为普通 JPEG 后重新上传。",
    ),
    "ServiceUnavailable": (
        "检测服务暂时不可用",
        "图片尚未检测。请查看检测服务是否在运行、能否访问，然后运行 “screentest redrive”。",
    ),
    # the pipeline's own
    "ObjectGone": (
        "图片在检测之前已被删除或替换",
        "无需处理：新上传的图片会自动检测。如果是误删，请重新上传。",
    ),
    "ObjectArchived": (
        "图片已归档，无法读取",
        "图片尚未检测。请先从归档存储（S3 Glacier）恢复该对象，再运行 “screentest redrive”，"
        "或改用其他存储类别重新上传。",
    ),
    "ObjectEncrypted": (
        "图片使用了只有上传者持有的密钥加密",
        "图片尚未检测，也无法检测：采用 SSE-C 时其他人都不能读取。请改用 SSE-S3 或 SSE-KMS 重新上传。",
    ),
    "TagLimit": (
        "对象上没有空间写入检测结果",
        "结果已写入数据表，但该对象已有十个标签。请删除一个标签后重新上传，或直接从数据表读取结果。",
    ),
    "Crashed": (
        "检测这张图片时，函数连续三次崩溃",
        "图片尚未检测。文件可能已损坏或尺寸过大：请另存为普通大小的 JPEG 后重新上传。如果仍然失败，请查看函"
        "数日志。",
    ),
    "NotUnderstood": (
        "无法理解检测服务的回答",
        "图片尚未检测。请确认 Detector 中的地址确实是检测 API，然后运行 “screentest redrive”。",
    ),
    "StoreUnavailable": (
        "检测所需的 AWS 服务没有响应",
        "图片尚未检测，或结果没有完整写入。请查看函数的权限和日志，然后运行 “screentest redrive”。",
    ),
    "OutOfTime": (
        "函数没有足够的时间处理这张图片",
        "图片尚未检测，系统会自动重试。如果反复出现，请减小批次或延长函数的超时时间。",
    ),
    "InvalidSettings": (
        "函数的某项设置缺失或有误",
        "修正之前不会进行任何检测。函数日志会指出是哪一项，请用正确的值重新部署。",
    ),
    "UnreadableEvent": (
        "消息中没有指明任何对象",
        "没有进行检测。有 S3 和 EventBridge 以外的来源在向队列写入消息，请查看谁有发送权限。",
    ),
    "Busy": (
        "这张图片正在检测",
        "无需处理：结果很快就会出来。",
    ),
    "Unreadable": (
        "无法打开文件",
        "图片尚未检测。请确认文件存在，并且您有读取权限。",
    ),
    "Unknown": (
        "检测服务没有给出已知的原因",
        "请对照要求检查图片：只有一个人，面向镜头，光线充足，画面清晰，整张脸都露出来。错误码和检测服务的说"
        "明（如果有）会提供更多信息。",
    ),
}
