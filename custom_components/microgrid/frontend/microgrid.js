var e=globalThis,t=e.ShadowRoot&&(e.ShadyCSS===void 0||e.ShadyCSS.nativeShadow)&&`adoptedStyleSheets`in Document.prototype&&`replace`in CSSStyleSheet.prototype,n=Symbol(),r=new WeakMap,i=class{constructor(e,t,r){if(this._$cssResult$=!0,r!==n)throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");this.cssText=e,this.t=t}get styleSheet(){let e=this.o,n=this.t;if(t&&e===void 0){let t=n!==void 0&&n.length===1;t&&(e=r.get(n)),e===void 0&&((this.o=e=new CSSStyleSheet).replaceSync(this.cssText),t&&r.set(n,e))}return e}toString(){return this.cssText}},a=e=>new i(typeof e==`string`?e:e+``,void 0,n),o=(e,...t)=>new i(e.length===1?e[0]:t.reduce((t,n,r)=>t+(e=>{if(!0===e._$cssResult$)return e.cssText;if(typeof e==`number`)return e;throw Error(`Value passed to 'css' function must be a 'css' function result: `+e+`. Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.`)})(n)+e[r+1],e[0]),e,n),s=(n,r)=>{if(t)n.adoptedStyleSheets=r.map(e=>e instanceof CSSStyleSheet?e:e.styleSheet);else for(let t of r){let r=document.createElement(`style`),i=e.litNonce;i!==void 0&&r.setAttribute(`nonce`,i),r.textContent=t.cssText,n.appendChild(r)}},c=t?e=>e:e=>e instanceof CSSStyleSheet?(e=>{let t=``;for(let n of e.cssRules)t+=n.cssText;return a(t)})(e):e,{is:l,defineProperty:u,getOwnPropertyDescriptor:d,getOwnPropertyNames:f,getOwnPropertySymbols:p,getPrototypeOf:m}=Object,h=globalThis,g=h.trustedTypes,_=g?g.emptyScript:``,ee=h.reactiveElementPolyfillSupport,v=(e,t)=>e,y={toAttribute(e,t){switch(t){case Boolean:e=e?_:null;break;case Object:case Array:e=e==null?e:JSON.stringify(e)}return e},fromAttribute(e,t){let n=e;switch(t){case Boolean:n=e!==null;break;case Number:n=e===null?null:Number(e);break;case Object:case Array:try{n=JSON.parse(e)}catch{n=null}}return n}},te=(e,t)=>!l(e,t),ne={attribute:!0,type:String,converter:y,reflect:!1,useDefault:!1,hasChanged:te};Symbol.metadata??=Symbol(`metadata`),h.litPropertyMetadata??=new WeakMap;var b=class extends HTMLElement{static addInitializer(e){this._$Ei(),(this.l??=[]).push(e)}static get observedAttributes(){return this.finalize(),this._$Eh&&[...this._$Eh.keys()]}static createProperty(e,t=ne){if(t.state&&(t.attribute=!1),this._$Ei(),this.prototype.hasOwnProperty(e)&&((t=Object.create(t)).wrapped=!0),this.elementProperties.set(e,t),!t.noAccessor){let n=Symbol(),r=this.getPropertyDescriptor(e,n,t);r!==void 0&&u(this.prototype,e,r)}}static getPropertyDescriptor(e,t,n){let{get:r,set:i}=d(this.prototype,e)??{get(){return this[t]},set(e){this[t]=e}};return{get:r,set(t){let a=r?.call(this);i?.call(this,t),this.requestUpdate(e,a,n)},configurable:!0,enumerable:!0}}static getPropertyOptions(e){return this.elementProperties.get(e)??ne}static _$Ei(){if(this.hasOwnProperty(v(`elementProperties`)))return;let e=m(this);e.finalize(),e.l!==void 0&&(this.l=[...e.l]),this.elementProperties=new Map(e.elementProperties)}static finalize(){if(this.hasOwnProperty(v(`finalized`)))return;if(this.finalized=!0,this._$Ei(),this.hasOwnProperty(v(`properties`))){let e=this.properties,t=[...f(e),...p(e)];for(let n of t)this.createProperty(n,e[n])}let e=this[Symbol.metadata];if(e!==null){let t=litPropertyMetadata.get(e);if(t!==void 0)for(let[e,n]of t)this.elementProperties.set(e,n)}this._$Eh=new Map;for(let[e,t]of this.elementProperties){let n=this._$Eu(e,t);n!==void 0&&this._$Eh.set(n,e)}this.elementStyles=this.finalizeStyles(this.styles)}static finalizeStyles(e){let t=[];if(Array.isArray(e)){let n=new Set(e.flat(1/0).reverse());for(let e of n)t.unshift(c(e))}else e!==void 0&&t.push(c(e));return t}static _$Eu(e,t){let n=t.attribute;return!1===n?void 0:typeof n==`string`?n:typeof e==`string`?e.toLowerCase():void 0}constructor(){super(),this._$Ep=void 0,this.isUpdatePending=!1,this.hasUpdated=!1,this._$Em=null,this._$Ev()}_$Ev(){this._$ES=new Promise(e=>this.enableUpdating=e),this._$AL=new Map,this._$E_(),this.requestUpdate(),this.constructor.l?.forEach(e=>e(this))}addController(e){(this._$EO??=new Set).add(e),this.renderRoot!==void 0&&this.isConnected&&e.hostConnected?.()}removeController(e){this._$EO?.delete(e)}_$E_(){let e=new Map,t=this.constructor.elementProperties;for(let n of t.keys())this.hasOwnProperty(n)&&(e.set(n,this[n]),delete this[n]);e.size>0&&(this._$Ep=e)}createRenderRoot(){let e=this.shadowRoot??this.attachShadow(this.constructor.shadowRootOptions);return s(e,this.constructor.elementStyles),e}connectedCallback(){this.renderRoot??=this.createRenderRoot(),this.enableUpdating(!0),this._$EO?.forEach(e=>e.hostConnected?.())}enableUpdating(e){}disconnectedCallback(){this._$EO?.forEach(e=>e.hostDisconnected?.())}attributeChangedCallback(e,t,n){this._$AK(e,n)}_$ET(e,t){let n=this.constructor.elementProperties.get(e),r=this.constructor._$Eu(e,n);if(r!==void 0&&!0===n.reflect){let i=(n.converter?.toAttribute===void 0?y:n.converter).toAttribute(t,n.type);this._$Em=e,i==null?this.removeAttribute(r):this.setAttribute(r,i),this._$Em=null}}_$AK(e,t){let n=this.constructor,r=n._$Eh.get(e);if(r!==void 0&&this._$Em!==r){let e=n.getPropertyOptions(r),i=typeof e.converter==`function`?{fromAttribute:e.converter}:e.converter?.fromAttribute===void 0?y:e.converter;this._$Em=r;let a=i.fromAttribute(t,e.type);this[r]=a??this._$Ej?.get(r)??a,this._$Em=null}}requestUpdate(e,t,n,r=!1,i){if(e!==void 0){let a=this.constructor;if(!1===r&&(i=this[e]),n??=a.getPropertyOptions(e),!((n.hasChanged??te)(i,t)||n.useDefault&&n.reflect&&i===this._$Ej?.get(e)&&!this.hasAttribute(a._$Eu(e,n))))return;this.C(e,t,n)}!1===this.isUpdatePending&&(this._$ES=this._$EP())}C(e,t,{useDefault:n,reflect:r,wrapped:i},a){n&&!(this._$Ej??=new Map).has(e)&&(this._$Ej.set(e,a??t??this[e]),!0!==i||a!==void 0)||(this._$AL.has(e)||(this.hasUpdated||n||(t=void 0),this._$AL.set(e,t)),!0===r&&this._$Em!==e&&(this._$Eq??=new Set).add(e))}async _$EP(){this.isUpdatePending=!0;try{await this._$ES}catch(e){Promise.reject(e)}let e=this.scheduleUpdate();return e!=null&&await e,!this.isUpdatePending}scheduleUpdate(){return this.performUpdate()}performUpdate(){if(!this.isUpdatePending)return;if(!this.hasUpdated){if(this.renderRoot??=this.createRenderRoot(),this._$Ep){for(let[e,t]of this._$Ep)this[e]=t;this._$Ep=void 0}let e=this.constructor.elementProperties;if(e.size>0)for(let[t,n]of e){let{wrapped:e}=n,r=this[t];!0!==e||this._$AL.has(t)||r===void 0||this.C(t,void 0,n,r)}}let e=!1,t=this._$AL;try{e=this.shouldUpdate(t),e?(this.willUpdate(t),this._$EO?.forEach(e=>e.hostUpdate?.()),this.update(t)):this._$EM()}catch(t){throw e=!1,this._$EM(),t}e&&this._$AE(t)}willUpdate(e){}_$AE(e){this._$EO?.forEach(e=>e.hostUpdated?.()),this.hasUpdated||(this.hasUpdated=!0,this.firstUpdated(e)),this.updated(e)}_$EM(){this._$AL=new Map,this.isUpdatePending=!1}get updateComplete(){return this.getUpdateComplete()}getUpdateComplete(){return this._$ES}shouldUpdate(e){return!0}update(e){this._$Eq&&=this._$Eq.forEach(e=>this._$ET(e,this[e])),this._$EM()}updated(e){}firstUpdated(e){}};b.elementStyles=[],b.shadowRootOptions={mode:`open`},b[v(`elementProperties`)]=new Map,b[v(`finalized`)]=new Map,ee?.({ReactiveElement:b}),(h.reactiveElementVersions??=[]).push(`2.1.2`);var re=globalThis,ie=e=>e,ae=re.trustedTypes,oe=ae?ae.createPolicy(`lit-html`,{createHTML:e=>e}):void 0,se=`$lit$`,x=`lit$${Math.random().toFixed(9).slice(2)}$`,ce=`?`+x,le=`<${ce}>`,S=document,C=()=>S.createComment(``),w=e=>e===null||typeof e!=`object`&&typeof e!=`function`,ue=Array.isArray,de=e=>ue(e)||typeof e?.[Symbol.iterator]==`function`,fe=`[ 	
\f\r]`,T=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,pe=/-->/g,me=/>/g,E=RegExp(`>|${fe}(?:([^\\s"'>=/]+)(${fe}*=${fe}*(?:[^ \t\n\f\r"'\`<>=]|("|')|))|$)`,`g`),he=/'/g,ge=/"/g,_e=/^(?:script|style|textarea|title)$/i,ve=e=>(t,...n)=>({_$litType$:e,strings:t,values:n}),D=ve(1),O=ve(2),k=Symbol.for(`lit-noChange`),A=Symbol.for(`lit-nothing`),ye=new WeakMap,j=S.createTreeWalker(S,129);function be(e,t){if(!ue(e)||!e.hasOwnProperty(`raw`))throw Error(`invalid template strings array`);return oe===void 0?t:oe.createHTML(t)}var xe=(e,t)=>{let n=e.length-1,r=[],i,a=t===2?`<svg>`:t===3?`<math>`:``,o=T;for(let t=0;t<n;t++){let n=e[t],s,c,l=-1,u=0;for(;u<n.length&&(o.lastIndex=u,c=o.exec(n),c!==null);)u=o.lastIndex,o===T?c[1]===`!--`?o=pe:c[1]===void 0?c[2]===void 0?c[3]!==void 0&&(o=E):(_e.test(c[2])&&(i=RegExp(`</`+c[2],`g`)),o=E):o=me:o===E?c[0]===`>`?(o=i??T,l=-1):c[1]===void 0?l=-2:(l=o.lastIndex-c[2].length,s=c[1],o=c[3]===void 0?E:c[3]===`"`?ge:he):o===ge||o===he?o=E:o===pe||o===me?o=T:(o=E,i=void 0);let d=o===E&&e[t+1].startsWith(`/>`)?` `:``;a+=o===T?n+le:l>=0?(r.push(s),n.slice(0,l)+se+n.slice(l)+x+d):n+x+(l===-2?t:d)}return[be(e,a+(e[n]||`<?>`)+(t===2?`</svg>`:t===3?`</math>`:``)),r]},Se=class e{constructor({strings:t,_$litType$:n},r){let i;this.parts=[];let a=0,o=0,s=t.length-1,c=this.parts,[l,u]=xe(t,n);if(this.el=e.createElement(l,r),j.currentNode=this.el.content,n===2||n===3){let e=this.el.content.firstChild;e.replaceWith(...e.childNodes)}for(;(i=j.nextNode())!==null&&c.length<s;){if(i.nodeType===1){if(i.hasAttributes())for(let e of i.getAttributeNames())if(e.endsWith(se)){let t=u[o++],n=i.getAttribute(e).split(x),r=/([.?@])?(.*)/.exec(t);c.push({type:1,index:a,name:r[2],strings:n,ctor:r[1]===`.`?Ee:r[1]===`?`?De:r[1]===`@`?Oe:Te}),i.removeAttribute(e)}else e.startsWith(x)&&(c.push({type:6,index:a}),i.removeAttribute(e));if(_e.test(i.tagName)){let e=i.textContent.split(x),t=e.length-1;if(t>0){i.textContent=ae?ae.emptyScript:``;for(let n=0;n<t;n++)i.append(e[n],C()),j.nextNode(),c.push({type:2,index:++a});i.append(e[t],C())}}}else if(i.nodeType===8){if(i.data===ce)c.push({type:2,index:a});else{let e=-1;for(;(e=i.data.indexOf(x,e+1))!==-1;)c.push({type:7,index:a}),e+=x.length-1}}a++}}static createElement(e,t){let n=S.createElement(`template`);return n.innerHTML=e,n}};function M(e,t,n=e,r){if(t===k)return t;let i=r===void 0?n._$Cl:n._$Co?.[r],a=w(t)?void 0:t._$litDirective$;return i?.constructor!==a&&(i?._$AO?.(!1),a===void 0?i=void 0:(i=new a(e),i._$AT(e,n,r)),r===void 0?n._$Cl=i:(n._$Co??=[])[r]=i),i!==void 0&&(t=M(e,i._$AS(e,t.values),i,r)),t}var Ce=class{constructor(e,t){this._$AV=[],this._$AN=void 0,this._$AD=e,this._$AM=t}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(e){let{el:{content:t},parts:n}=this._$AD,r=(e?.creationScope??S).importNode(t,!0);j.currentNode=r;let i=j.nextNode(),a=0,o=0,s=n[0];for(;s!==void 0;){if(a===s.index){let t;s.type===2?t=new we(i,i.nextSibling,this,e):s.type===1?t=new s.ctor(i,s.name,s.strings,this,e):s.type===6&&(t=new ke(i,this,e)),this._$AV.push(t),s=n[++o]}a!==s?.index&&(i=j.nextNode(),a++)}return j.currentNode=S,r}p(e){let t=0;for(let n of this._$AV)n!==void 0&&(n.strings===void 0?n._$AI(e[t]):(n._$AI(e,n,t),t+=n.strings.length-2)),t++}},we=class e{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(e,t,n,r){this.type=2,this._$AH=A,this._$AN=void 0,this._$AA=e,this._$AB=t,this._$AM=n,this.options=r,this._$Cv=r?.isConnected??!0}get parentNode(){let e=this._$AA.parentNode,t=this._$AM;return t!==void 0&&e?.nodeType===11&&(e=t.parentNode),e}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(e,t=this){e=M(this,e,t),w(e)?e===A||e==null||e===``?(this._$AH!==A&&this._$AR(),this._$AH=A):e!==this._$AH&&e!==k&&this._(e):e._$litType$===void 0?e.nodeType===void 0?de(e)?this.k(e):this._(e):this.T(e):this.$(e)}O(e){return this._$AA.parentNode.insertBefore(e,this._$AB)}T(e){this._$AH!==e&&(this._$AR(),this._$AH=this.O(e))}_(e){this._$AH!==A&&w(this._$AH)?this._$AA.nextSibling.data=e:this.T(S.createTextNode(e)),this._$AH=e}$(e){let{values:t,_$litType$:n}=e,r=typeof n==`number`?this._$AC(e):(n.el===void 0&&(n.el=Se.createElement(be(n.h,n.h[0]),this.options)),n);if(this._$AH?._$AD===r)this._$AH.p(t);else{let e=new Ce(r,this),n=e.u(this.options);e.p(t),this.T(n),this._$AH=e}}_$AC(e){let t=ye.get(e.strings);return t===void 0&&ye.set(e.strings,t=new Se(e)),t}k(t){ue(this._$AH)||(this._$AH=[],this._$AR());let n=this._$AH,r,i=0;for(let a of t)i===n.length?n.push(r=new e(this.O(C()),this.O(C()),this,this.options)):r=n[i],r._$AI(a),i++;i<n.length&&(this._$AR(r&&r._$AB.nextSibling,i),n.length=i)}_$AR(e=this._$AA.nextSibling,t){for(this._$AP?.(!1,!0,t);e!==this._$AB;){let t=ie(e).nextSibling;ie(e).remove(),e=t}}setConnected(e){this._$AM===void 0&&(this._$Cv=e,this._$AP?.(e))}},Te=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(e,t,n,r,i){this.type=1,this._$AH=A,this._$AN=void 0,this.element=e,this.name=t,this._$AM=r,this.options=i,n.length>2||n[0]!==``||n[1]!==``?(this._$AH=Array(n.length-1).fill(new String),this.strings=n):this._$AH=A}_$AI(e,t=this,n,r){let i=this.strings,a=!1;if(i===void 0)e=M(this,e,t,0),a=!w(e)||e!==this._$AH&&e!==k,a&&(this._$AH=e);else{let r=e,o,s;for(e=i[0],o=0;o<i.length-1;o++)s=M(this,r[n+o],t,o),s===k&&(s=this._$AH[o]),a||=!w(s)||s!==this._$AH[o],s===A?e=A:e!==A&&(e+=(s??``)+i[o+1]),this._$AH[o]=s}a&&!r&&this.j(e)}j(e){e===A?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,e??``)}},Ee=class extends Te{constructor(){super(...arguments),this.type=3}j(e){this.element[this.name]=e===A?void 0:e}},De=class extends Te{constructor(){super(...arguments),this.type=4}j(e){this.element.toggleAttribute(this.name,!!e&&e!==A)}},Oe=class extends Te{constructor(e,t,n,r,i){super(e,t,n,r,i),this.type=5}_$AI(e,t=this){if((e=M(this,e,t,0)??A)===k)return;let n=this._$AH,r=e===A&&n!==A||e.capture!==n.capture||e.once!==n.once||e.passive!==n.passive,i=e!==A&&(n===A||r);r&&this.element.removeEventListener(this.name,this,n),i&&this.element.addEventListener(this.name,this,e),this._$AH=e}handleEvent(e){typeof this._$AH==`function`?this._$AH.call(this.options?.host??this.element,e):this._$AH.handleEvent(e)}},ke=class{constructor(e,t,n){this.element=e,this.type=6,this._$AN=void 0,this._$AM=t,this.options=n}get _$AU(){return this._$AM._$AU}_$AI(e){M(this,e)}},Ae=re.litHtmlPolyfillSupport;Ae?.(Se,we),(re.litHtmlVersions??=[]).push(`3.3.3`);var je=(e,t,n)=>{let r=n?.renderBefore??t,i=r._$litPart$;if(i===void 0){let e=n?.renderBefore??null;r._$litPart$=i=new we(t.insertBefore(C(),e),e,void 0,n??{})}return i._$AI(e),i},Me=globalThis,N=class extends b{constructor(){super(...arguments),this.renderOptions={host:this},this._$Do=void 0}createRenderRoot(){let e=super.createRenderRoot();return this.renderOptions.renderBefore??=e.firstChild,e}update(e){let t=this.render();this.hasUpdated||(this.renderOptions.isConnected=this.isConnected),super.update(e),this._$Do=je(t,this.renderRoot,this.renderOptions)}connectedCallback(){super.connectedCallback(),this._$Do?.setConnected(!0)}disconnectedCallback(){super.disconnectedCallback(),this._$Do?.setConnected(!1)}render(){return k}};N._$litElement$=!0,N.finalized=!0,Me.litElementHydrateSupport?.({LitElement:N});var Ne=Me.litElementPolyfillSupport;Ne?.({LitElement:N}),(Me.litElementVersions??=[]).push(`4.2.2`);var Pe=o`
  :host {
    display: block;
    container-type: inline-size;
    /* Drawings and our own words run so in every language; in Hebrew or Arabic the rest of the page does not. */
    direction: ltr;
    --ground: var(--ha-card-background, var(--card-background-color, #fff));
  }
  ha-card {
    padding: 16px;
    box-sizing: border-box;
    height: 100%;
    font-size: var(--ha-font-size-m, 14px);
    line-height: 1.35;
    color: var(--primary-text-color);
  }
  .quiet {
    margin: 0;
    color: var(--secondary-text-color);
  }
  button {
    all: unset;
    box-sizing: border-box;
    cursor: pointer;
    border-radius: 10px;
    -webkit-tap-highlight-color: transparent;
  }
  button:disabled {
    cursor: default;
  }
  button:focus-visible {
    outline: 2px solid var(--primary-color);
    outline-offset: 1px;
  }
  @media (hover: hover) {
    button:enabled:hover {
      background: color-mix(in srgb, var(--primary-text-color) 5%, transparent);
    }
  }

  .figure {
    display: grid;
    grid-template-columns: auto 1fr;
    grid-template-areas: "icon name" "icon value" "icon more";
    column-gap: 12px;
    align-items: center;
    justify-content: start;
    padding: 8px;
    min-width: 0;
  }
  .figure ha-icon {
    grid-area: icon;
    --mdc-icon-size: 22px;
    padding: 10px;
    border-radius: 50%;
    color: var(--tint);
    background: color-mix(in srgb, var(--tint) 16%, transparent);
    align-self: start;
  }
  .figure .name {
    grid-area: name;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .figure .value {
    grid-area: value;
    font-weight: 500;
    font-variant-numeric: tabular-nums;
  }
  .figure .more {
    grid-area: more;
    min-height: 1.35em;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
`,Fe=[`charge`,`store`,`supply`,`export`,`keep`,`rest`],Ie=48,Le=e=>typeof e==`number`&&Number.isFinite(e)?e:void 0;function Re(e){return Array.isArray(e)?e.slice(0,Ie).flatMap(e=>{if(typeof e!=`object`||!e)return[];let{start:t,action:n,import_price:r,price_known:i,charge_percent:a}=e,[,o,s]=/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(String(t))??[],c=new Date(String(t)),l=Fe.find(e=>e===n);return!o||!s||!l||Number.isNaN(c.getTime())?[]:[{start:c,clock:s,day:o,action:l,price:Le(r),known:i!==!1,charge:Le(a)}]}):[]}function ze(e){let t=e.flatMap(({price:e})=>e===void 0?[]:[e]),n=Math.max(0,...t),r=Math.min(0,...t);return n-r<1e-6?[r,r+1]:[r,n]}var Be=o`
  :host {
    --charge: var(--energy-grid-consumption-color, #488fc2);
    --store: var(--energy-solar-color, #ff9800);
    --supply: var(--energy-battery-out-color, #4db6ac);
    --export: var(--energy-grid-return-color, #8353d1);
    --keep: color-mix(in srgb, var(--energy-battery-out-color, #4db6ac) 45%, var(--ground));
    --rest: color-mix(in srgb, var(--primary-text-color) 26%, var(--ground));
    --level: var(--primary-text-color);
  }

  /* ---- figures ---- */
  .figures {
    display: grid;
    grid-template-columns: repeat(4, minmax(0, 1fr));
    gap: 4px;
  }
  .figure {
    --tint: var(--rest);
  }
  .figure .value {
    font-size: 20px;
    line-height: 1.25;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .action {
    --tint: var(--secondary-text-color);
  }
  .saving {
    --tint: var(--success-color, #43a047);
  }
  .price {
    --tint: var(--charge);
  }
  .expected {
    --tint: var(--export);
  }
  .figure.charge {
    --tint: var(--charge);
  }
  .figure.store {
    --tint: var(--store);
  }
  .figure.supply,
  .figure.keep {
    --tint: var(--supply);
  }
  .figure.export {
    --tint: var(--export);
  }

  .why {
    margin: 8px 8px 0;
    color: var(--primary-text-color);
    text-wrap: pretty;
  }
  .why.fallback {
    display: flex;
    gap: 8px;
    align-items: center;
    padding: 8px 12px;
    border-radius: 10px;
    background: color-mix(in srgb, var(--warning-color, #ffa600) 14%, transparent);
  }
  .why.fallback ha-icon {
    color: var(--warning-color, #ffa600);
    --mdc-icon-size: 20px;
  }

  /* ---- the hours to come ---- */
  figure {
    margin: 16px 0 0;
  }
  figcaption {
    display: flex;
    justify-content: space-between;
    margin: 0 0 6px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .chart {
    display: block;
    max-width: 100%;
    overflow: visible;
  }
  .axis {
    font-size: 11px;
    fill: var(--secondary-text-color);
    font-variant-numeric: tabular-nums;
  }
  .grid {
    stroke: var(--divider-color, #e0e0e0);
    stroke-width: 1;
  }
  .midnight {
    stroke: var(--secondary-text-color);
    stroke-width: 1;
    stroke-dasharray: 2 3;
    opacity: 0.7;
  }
  .hour {
    --own: var(--rest);
  }
  .charge {
    --own: var(--charge);
  }
  .store {
    --own: var(--store);
  }
  .supply {
    --own: var(--supply);
  }
  .export {
    --own: var(--export);
  }
  .keep {
    --own: var(--keep);
  }
  .rest {
    --own: var(--rest);
  }
  .bar {
    fill: var(--own);
  }
  .guessed .bar {
    opacity: 0.55;
  }
  .touch {
    fill: transparent;
  }
  .hour:hover .touch {
    fill: color-mix(in srgb, var(--primary-text-color) 7%, transparent);
  }
  .stored {
    fill: color-mix(in srgb, var(--supply) 18%, transparent);
    pointer-events: none;
  }
  .charge-line {
    fill: none;
    stroke: var(--supply);
    stroke-width: 2;
    stroke-linejoin: round;
    pointer-events: none;
  }
  .reserve {
    stroke: var(--warning-color, #ffa600);
    stroke-width: 1.25;
    stroke-dasharray: 5 4;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 16px;
    margin: 8px 0 0;
    padding-left: 40px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .key {
    display: inline-flex;
    align-items: center;
    gap: 6px;
  }
  .key i {
    width: 10px;
    height: 10px;
    border-radius: 3px;
    background: var(--own);
  }
  .key.level i {
    height: 2px;
    width: 14px;
    border-radius: 1px;
    background: var(--supply);
  }

  @container (max-width: 720px) {
    .figures {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
  }
  @container (max-width: 420px) {
    .figure {
      grid-template-columns: 1fr;
      grid-template-areas: "name" "value" "more";
    }
    .figure ha-icon {
      display: none;
    }
    .legend {
      padding-left: 0;
    }
  }
`,Ve={mW:.001,W:1,kW:1e3,MW:1e6,VA:1,kVA:1e3},He=new Set([`unavailable`,`unknown`,``]);function P(e,t){return t===void 0?void 0:e.states[t]}function F(e,t){let n=P(e,t);return n&&!He.has(n.state)?n:void 0}function Ue(e,t){let n=F(e,t),r=n?Number(n.state):NaN;return Number.isFinite(r)?r:void 0}function We(e,t){let n=Ue(e,t),r=String(P(e,t)?.attributes.unit_of_measurement??`W`);return n===void 0?void 0:n*(Ve[r]??1)}function I(e,t){let n=F(e,t);return n&&e.formatEntityState(n)}function Ge(e,t){let n=F(e,t);return n&&n.state===`on`}var Ke={comma_decimal:`en-US`,decimal_comma:`de`,space_comma:`fr`,quote_decimal:`de-CH`,none:`en-US`,system:void 0};function L(e,t,{language:n,number_format:r}){let i=Number(e.toFixed(t))||0;return new Intl.NumberFormat(r in Ke?Ke[r]:n,{minimumFractionDigits:t,maximumFractionDigits:t,...r===`none`?{useGrouping:!1}:{}}).format(i)}function R(e,t){let n=Math.abs(e);return Math.round(n)<1e3?`${L(n,0,t)} W`:`${L(n/1e3,n<9995?2:1,t)} kW`}var qe=`microgrid`,Je=[[`gateway`,[`houses_online`,`contactor_closed`,`cluster_frequency`,`swarm_frequency`]],[`heat_pump`,[`refrigerant`,`outlet_temperature`,`inlet_temperature`,`compressor_running`]],[`victron_gx`,[`system_state`,`consumption_power`,`grid_available`]],[`mpp_inverter`,[`ac_output_active_power`,`output_source_priority`,`output_load_percent`]],[`battery`,[`schedule_mode`,`schedule_active`]],[`house`,[`exchange_power`,`load_power`,`health`]]],Ye=`/energy_planner`,Xe=[`inverter`,`mppt`,`battery`],Ze=new Intl.Collator(void 0,{numeric:!0,sensitivity:`base`}),Qe=(e,t)=>Ze.compare(e.name,t.name),z=e=>e.identifiers.find(([e])=>e===qe)?.[1],B=e=>e.entities.filter(e=>!e.hidden);function V(e,t,n=``){let r=t.indexOf(`.`),i=t.slice(0,Math.max(r,0)),a=t.slice(r+1);return(i?e.parts.find(e=>e.component===i):e)?.entities.find(e=>!e.hidden&&e.translation_key===a&&e.entity_id.startsWith(n))?.entity_id}var $e=e=>[e.node,...e.clusters.flatMap(e=>[e.gateway,...e.members]),...e.houses,...e.devices];function et(e){let t=new Map;for(let n of Object.values(e.entities))if(n.platform===qe&&n.device_id){let e=t.get(n.device_id);e?e.push(n):t.set(n.device_id,[n])}let n=Object.values(e.devices).filter(e=>z(e)&&!e.disabled_by),r=new Map(n.map(e=>[e.id,e])),i=(e,n)=>({component:n,deviceId:e.id,name:e.name_by_user||e.name||z(e)||e.id,entities:t.get(e.id)??[]}),a=new Map;for(let e of n){let t=r.get(e.parent_device_id??``);if(!t)continue;let n=(z(e)??``).slice((z(t)??``).length+1);a.set(t.id,[...a.get(t.id)??[],i(e,n)])}let o=e=>{if(e.entry_type===`service`)return`site`;let n=new Set((t.get(e.id)??[]).map(e=>e.translation_key));return(a.get(e.id)??[]).some(e=>Xe.includes(e.component))?`house`:Je.find(([,e])=>e.some(e=>n.has(e)))?.[0]??`other`},s=new Map,c=new Map;for(let e of n)z(e)?.endsWith(Ye)?c.set(e.config_entry_id??``,{...i(e,``),kind:`other`,parts:[]}):e.parent_device_id||(z(e)??``).split(`/`).length>2||s.set(e.id,{...i(e,``),kind:o(e),parts:a.get(e.id)??[]});let l=[];for(let e of s.values()){if(e.kind!==`site`)continue;let t=r.get(e.deviceId)?.config_entry_id,n=[...s.values()].filter(n=>n!==e&&r.get(n.deviceId)?.config_entry_id===t).sort(Qe),i=e=>r.get(e.deviceId)?.via_device_id,a=n.filter(e=>e.kind===`gateway`).map(e=>({gateway:e,members:n.filter(t=>t.kind!==`gateway`&&i(t)===e.deviceId)})),o=new Set(a.flatMap(e=>e.members)),u=n.filter(e=>e.kind!==`gateway`&&!o.has(e));l.push({node:e,clusters:a,houses:u.filter(e=>e.kind===`house`),devices:u.filter(e=>e.kind!==`house`),planner:c.get(t??``)})}return l.sort((e,t)=>Qe(e.node,t.node))}var tt=class extends N{static properties={hass:{attribute:!1},_config:{state:!0},_width:{state:!0}};observer;devices;entities;watched=[];constructor(){super(),this._width=0}static getStubConfig(){return{}}setConfig(e){if(e.site!==void 0&&typeof e.site!=`string`)throw Error(`site: expected the id of the device of a microgrid site`);this._config=e,this.devices=void 0}getGridOptions(){return{columns:`full`,rows:`auto`,min_columns:6}}connectedCallback(){super.connectedCallback(),this.observer=new ResizeObserver(([e])=>{e&&(this._width=e.contentRect.width)}),this.observer.observe(this)}disconnectedCallback(){super.disconnectedCallback(),this.observer?.disconnect()}shouldUpdate(e){if(!this.hass||!this._config)return!1;let t=e.get(`hass`);if(e.size>1||!t||this.read(this.hass))return!0;let n=this.hass;return t.language!==n.language||t.formatEntityState!==n.formatEntityState||this.watched.some(e=>t.states[e]!==n.states[e])}read(e){if(e.devices===this.devices&&e.entities===this.entities)return!1;this.devices=e.devices,this.entities=e.entities;let t=this._config?.site;return this.watched=this.choose(et(e).filter(e=>t===void 0||e.node.deviceId===t)),!0}},nt={title:`Microgrid`,description:`The whole swarm at a glance: one page for all, one for each cluster, devices and health`,solar:`Solar`,homes:`Consumption`,storage:`Batteries`,frequency:`Frequency`,charging:`charging`,discharging:`discharging`,resting:`idle`,exporting:`feeds in`,importing:`draws`,closed:`Connected`,open:`Separated`,contactorUnknown:`Contactor unknown`,offline:`Offline`,fault:`Fault`,noReading:`No readings yet`,onTheBus:`Other devices`,houses:`Houses`,otherHouses:`Houses without gateway`,chargeOf:`charge {0}`,sunOf:`solar {0}`,housesOnline:`{0} of {1} online`,mapLabel:`Map of {0}`,totalsLabel:`{0} in total`,devices:`Devices`,health:`Health`,last24Hours:`Last 24 hours`,power:`Power`,stateOfCharge:`State of charge`,temperatures:`Temperatures`,problems:`Active problems`,noProblems:`No active problems`,nodes:`Online`,faultHistory:`What happened in the last 24 hours`,emptyTitle:`No devices yet`,emptyText:`A microgrid device appears here by itself as soon as it reports to the MQTT broker of Home Assistant. Check that it is switched on and uses the same broker and the same swarm name as the integration.`,absentTitle:`Set up Microgrid`,absentText:`Add the integration Microgrid first; your houses, gateways and devices then appear on this page.`,openIntegration:`Open the integration`,planTitle:`Energy plan`,planDescription:`What the batteries do next, why, and what it saves`,planAbsent:`There is no energy planner yet: add one to the integration Microgrid.`,planMissing:`The first plan comes as soon as a battery has told its charge.`,planNow:`Now`,planThen:`from {0}: {1}`,planOf:`The next {0} hours`,savingToday:`Saved today`,savingInAll:`{0} in all`,savingExpected:`Expected in 24 hours`,againstRule:`against self-consumption`,priceNow:`Price`,priceExpected:`price expected`,worthOfStored:`stored: {0}`,reserve:`Reserve`,energy:`Energy`,planning:`Planning`,savings:`Saving of each day`,settlement:`Who pays whom`,today:`Today`,thisMonth:`This month`,settlementNote:`At the middle of import and export price; plus is owed, minus is earned. All payments add up to the bill of the connection.`},rt={en:nt,de:{title:`Microgrid`,description:`Der ganze Schwarm auf einen Blick: eine Seite für alles, eine je Cluster, Geräte und Zustand`,solar:`Solar`,homes:`Verbrauch`,storage:`Batterien`,frequency:`Frequenz`,charging:`lädt`,discharging:`entlädt`,resting:`ruht`,exporting:`speist ein`,importing:`bezieht`,closed:`Verbunden`,open:`Getrennt`,contactorUnknown:`Schütz unbekannt`,offline:`Offline`,fault:`Störung`,noReading:`Noch keine Werte`,onTheBus:`Weitere Geräte`,houses:`Häuser`,otherHouses:`Häuser ohne Gateway`,chargeOf:`Ladung {0}`,sunOf:`Solar {0}`,housesOnline:`{0} von {1} online`,mapLabel:`Karte von {0}`,totalsLabel:`{0} insgesamt`,devices:`Geräte`,health:`Zustand`,last24Hours:`Letzte 24 Stunden`,power:`Leistung`,stateOfCharge:`Ladezustand`,temperatures:`Temperaturen`,problems:`Aktive Störungen`,noProblems:`Keine aktiven Störungen`,nodes:`Online`,faultHistory:`Was in den letzten 24 Stunden geschah`,emptyTitle:`Noch keine Geräte`,emptyText:`Ein Microgrid-Gerät erscheint hier von selbst, sobald es sich beim MQTT-Broker von Home Assistant meldet. Ist es eingeschaltet, und nutzt es denselben Broker und denselben Schwarmnamen wie die Integration?`,absentTitle:`Microgrid einrichten`,absentText:`Zuerst die Integration Microgrid hinzufügen; dann erscheinen Häuser, Gateways und Geräte auf dieser Seite.`,openIntegration:`Integration öffnen`,planTitle:`Energieplan`,planDescription:`Was die Batterien als Nächstes tun, warum, und was das spart`,planAbsent:`Es gibt noch keinen Energieplaner: in der Integration Microgrid hinzufügen.`,planMissing:`Der erste Plan kommt, sobald eine Batterie ihre Ladung gemeldet hat.`,planNow:`Jetzt`,planThen:`ab {0}: {1}`,planOf:`Die nächsten {0} Stunden`,savingToday:`Heute gespart`,savingInAll:`{0} insgesamt`,savingExpected:`In 24 Stunden erwartet`,againstRule:`gegenüber Eigenverbrauch`,priceNow:`Preis`,priceExpected:`Preis erwartet`,worthOfStored:`gespeichert: {0}`,reserve:`Reserve`,energy:`Energie`,planning:`Planung`,savings:`Ersparnis je Tag`,settlement:`Wer zahlt wem`,today:`Heute`,thisMonth:`Diesen Monat`,settlementNote:`Zur Mitte von Bezugs- und Einspeisepreis; plus ist zu zahlen, minus ist verdient. Alle Zahlungen zusammen sind die Rechnung des Anschlusses.`},pl:{title:`Microgrid`,description:`Cały rój w jednym miejscu: strona wspólna, strona każdego klastra, urządzenia i stan`,solar:`Słońce`,homes:`Zużycie`,storage:`Baterie`,frequency:`Częstotliwość`,charging:`ładowanie`,discharging:`rozładowanie`,resting:`spoczynek`,exporting:`oddaje`,importing:`pobiera`,closed:`Połączony`,open:`Odłączony`,contactorUnknown:`Stan stycznika nieznany`,offline:`Offline`,fault:`Usterka`,noReading:`Brak odczytów`,onTheBus:`Inne urządzenia`,houses:`Domy`,otherHouses:`Domy bez bramki`,chargeOf:`naładowanie {0}`,sunOf:`słońce {0}`,housesOnline:`{0} z {1} online`,mapLabel:`Mapa: {0}`,totalsLabel:`{0} łącznie`,devices:`Urządzenia`,health:`Stan`,last24Hours:`Ostatnie 24 godziny`,power:`Moc`,stateOfCharge:`Stan naładowania`,temperatures:`Temperatury`,problems:`Aktywne usterki`,noProblems:`Brak aktywnych usterek`,nodes:`Online`,faultHistory:`Co zdarzyło się w ostatnich 24 godzinach`,emptyTitle:`Brak urządzeń`,emptyText:`Urządzenie Microgrid pojawi się tu samo, gdy tylko zgłosi się do brokera MQTT w Home Assistant. Sprawdź, czy jest włączone i czy używa tego samego brokera i tej samej nazwy roju co integracja.`,absentTitle:`Skonfiguruj Microgrid`,absentText:`Najpierw dodaj integrację Microgrid; domy, bramki i urządzenia pojawią się wtedy na tej stronie.`,openIntegration:`Otwórz integrację`,planTitle:`Plan energii`,planDescription:`Co dalej zrobią baterie, dlaczego i ile to daje`,planAbsent:`Nie ma jeszcze planera energii: można go dodać w integracji Microgrid.`,planMissing:`Pierwszy plan pojawi się, gdy bateria poda stan naładowania.`,planNow:`Teraz`,planThen:`od {0}: {1}`,planOf:`Najbliższe {0} godz.`,savingToday:`Dziś oszczędzono`,savingInAll:`{0} łącznie`,savingExpected:`Oczekiwane w 24 godz.`,againstRule:`wobec autokonsumpcji`,priceNow:`Cena`,priceExpected:`cena oczekiwana`,worthOfStored:`w baterii: {0}`,reserve:`Rezerwa`,energy:`Energia`,planning:`Planowanie`,savings:`Oszczędność dzienna`,settlement:`Kto komu płaci`,today:`Dzisiaj`,thisMonth:`W tym miesiącu`,settlementNote:`Po średniej z ceny zakupu i sprzedaży; plus to należność, minus to zarobek. Suma płatności to rachunek przyłącza.`}};function H(e){let t=rt[e.split(`-`)[0]??``]??nt;return(e,...n)=>t[e].replace(/\{(\d)\}/g,(e,t)=>String(n[Number(t)]??``))}var it=108,at=76,ot=14,st=20,U=40,ct=44,lt=`none`,ut={charge:`mdi:transmission-tower-import`,store:`mdi:solar-power-variant`,supply:`mdi:home-battery`,export:`mdi:transmission-tower-export`,keep:`mdi:battery-lock`,rest:`mdi:sleep`},dt=class extends tt{static styles=[Pe,Be];planner;getCardSize(){return 6}choose(e){return this.planner=e.find(e=>e.planner)?.planner,this.planner?.entities.map(e=>e.entity_id)??[]}render(){let e=this.hass;if(!e)return A;this.read(e);let t=H(e.language),n=this.planner;if(!n)return D`<ha-card><p class="quiet">${t(`planAbsent`)}</p></ha-card>`;let r=Re(P(e,V(n,`planner_plan`))?.attributes.plan);return D`<ha-card>
      <div role="group" aria-label=${n.name}>
        ${this.renderFigures(e,n,t)} ${this.renderWhy(e,n)}
        ${r.length>1?this.renderPlan(e,n,r,t):D`<p class="quiet">${t(`planMissing`)}</p>`}
      </div>
    </ha-card>`}renderFigures(e,t,n){let r=V(t,`planner_action`),i=Fe.find(t=>t===F(e,r)?.state),a=V(t,`planner_next_action`),o=I(e,a),s=/T(\d\d:\d\d)/.exec(String(P(e,a)?.attributes.start))?.[1],c=V(t,`planner_price`),l=I(e,V(t,`planner_energy_worth`)),u=I(e,V(t,`planner_expected_saving`)),d=I(e,V(t,`planner_saving_total`));return D`<div class="figures">
      ${[[`action ${i??``}`,i?ut[i]:`mdi:battery-clock`,n(`planNow`),I(e,r),o&&s?n(`planThen`,s,o):void 0,r],[`saving`,`mdi:piggy-bank`,n(`savingToday`),I(e,V(t,`planner_saving_today`)),d&&n(`savingInAll`,d),V(t,`planner_saving_today`)],[`price`,`mdi:cash-clock`,n(`priceNow`),I(e,c),l&&n(`worthOfStored`,l),c],[`expected`,`mdi:chart-timeline-variant-shimmer`,n(`savingExpected`),u,n(`againstRule`),V(t,`planner_expected_saving`)]].map(([e,t,r,i,a,o])=>D`<button
          class="figure ${e}"
          ?disabled=${!o}
          aria-label="${r}: ${i??n(`noReading`)}${a?`, ${a}`:``}"
          @click=${()=>this.moreInfo(o)}
        >
          <ha-icon .icon=${t} aria-hidden="true"></ha-icon>
          <span class="name">${r}</span>
          <span class="value">${i??`–`}</span>
          <span class="more">${a??A}</span>
        </button>`)}
    </div>`}renderWhy(e,t){let n=F(e,V(t,`planner_fallback`));if(n&&n.state!==lt)return D`<p class="why fallback">
        <ha-icon icon="mdi:shield-alert-outline" aria-hidden="true"></ha-icon>${e.formatEntityState(n)}
      </p>`;let r=P(e,V(t,`planner_action`))?.attributes.reason;return typeof r==`string`&&r?D`<p class="why">${r}</p>`:A}renderPlan(e,t,n,r){let i=P(e,V(t,`planner_action`)),a=String(P(e,V(t,`planner_price`))?.attributes.unit_of_measurement??``),o=P(e,V(t,`planner_plan`))?.attributes.reserve_percent,s=Fe.filter(e=>n.some(t=>t.action===e)),c=t=>i?e.formatEntityState({...i,state:t}):t,l=Math.max(this._width-32,240);return D`<figure>
      <figcaption>${r(`planOf`,n.length)}${a?D`<span>${a}</span>`:A}</figcaption>
      ${ft(n,l,typeof o==`number`?o:void 0,a,c,e.locale,r)}
      <p class="legend" aria-hidden="true">
        ${s.map(e=>D`<span class="key ${e}"><i></i>${c(e)}</span>`)}
        <span class="key level"><i></i>${r(`stateOfCharge`)}</span>
      </p>
    </figure>`}moreInfo(e){e&&this.dispatchEvent(new CustomEvent(`hass-more-info`,{bubbles:!0,composed:!0,detail:{entityId:e}}))}};function ft(e,t,n,r,i,a,o){let s=e.some(({price:e})=>e!==void 0),c=s?it:0,l=s?ot:0,u=c+l+at+st,d=(t-U)/e.length,f=e=>U+e*d,[p,m]=ze(e),h=e=>4+(m-e)/(m-p)*(c-8),g=c+l+at,_=e=>g-Math.min(Math.max(e,0),100)/100*70,ee=e=>L(e,2,a),v=[1,2,3,6,12].find(e=>e*d>=ct)??24,y=e.flatMap(({charge:e},t)=>e===void 0?[]:[`${f(t+1)},${_(e)}`]);return D`<svg class="chart" width=${t} height=${u} viewBox="0 0 ${t} ${u}" role="img" aria-label=${[o(`planOf`,e.length),...pt(e).map(({from:e,action:t})=>`${e.clock} ${i(t)}`)].join(`, `)}>
    ${s?O`${[m,p===0?0:p,...p<0?[0]:[]].map(e=>O`
          <line class="grid" x1=${U} x2=${t} y1=${h(e)} y2=${h(e)} />
          <text class="axis" x=${34} y=${h(e)+4} text-anchor="end">${ee(e)}</text>`)}`:A}
    ${[0,50,100].map(e=>O`
        <line class="grid" x1=${U} x2=${t} y1=${_(e)} y2=${_(e)} />
        <text class="axis" x=${34} y=${_(e)+4} text-anchor="end">${e}%</text>`)}
    ${e.map((t,n)=>{let s=n>0&&t.day!==e[n-1]?.day,c=Number(t.clock.slice(0,2))%v===0,l=t.price,u=[t.clock,i(t.action),...l===void 0?[]:[`${L(l,3,a)} ${r}`],...t.charge===void 0?[]:[`${L(t.charge,0,a)} %`],...t.known?[]:[o(`priceExpected`)]].join(` · `);return O`<g class="hour ${t.action} ${t.known?``:`guessed`}">
        ${s?O`<line class="midnight" x1=${f(n)} x2=${f(n)} y1="0" y2=${g} />`:A}
        ${l===void 0?A:O`<rect class="bar" x=${f(n)+.75} width=${Math.max(d-1.5,1)} rx="1.5"
                y=${Math.min(h(l),h(0))} height=${Math.max(Math.abs(h(l)-h(0)),1.5)} />`}
        ${c?O`<text class="axis" x=${f(n)} y=${g+15} text-anchor="middle">${t.clock}</text>`:A}
        <rect class="touch" x=${f(n)} y="0" width=${d} height=${g}><title>${u}</title></rect>
      </g>`})}
    ${y.length>1?O`<polygon class="stored" points="${y[0]?.split(`,`)[0]},${g} ${y.join(` `)} ${y.at(-1)?.split(`,`)[0]},${g}" />
          <polyline class="charge-line" points=${y.join(` `)} />`:A}
    ${n===void 0||n<=0?A:O`<line class="reserve" x1=${U} x2=${t} y1=${_(n)} y2=${_(n)}><title>${o(`reserve`)}</title></line>`}
  </svg>`}function pt(e){return e.filter((t,n)=>t.action!==e[n-1]?.action).map(e=>({from:e,action:e.action}))}var mt=24,ht=5,gt=[`exchange_power`,`load_power`,`mppt.solar_power`,`battery.power`,`inverter.frequency`,`inverter.voltage`,`battery.cell_voltage_spread`,`health`],_t=[`contactor_closed`,`power_flow`,`cluster_frequency`,`swarm_frequency`,`cluster_load_power`,`cluster_solar_power`,`cluster_health`,`houses_online`],vt={heat_pump:{icon:`mdi:heat-pump`,first:[`outlet_temperature`,`inlet_temperature`,`apparent_power`,`compressor_running`,`fan_running`,`defrost_active`],graphs:[[`temperatures`,[`outlet_temperature`,`inlet_temperature`,`ambient_temperature`]]]},mpp_inverter:{icon:`mdi:power-socket-de`,first:[`ac_output_active_power`,`solar_power`,`output_load_percent`,`mode`,`battery_voltage`,`grid_voltage`],graphs:[[`power`,[`ac_output_active_power`,`solar_power`]]]},battery:{icon:`mdi:battery`,first:[`power`,`schedule_mode`,`voltage`,`current`,`temperature`],graphs:[[`power`,[`power`]]]},victron_gx:{icon:`mdi:home-battery`,first:[`battery_power`,`solar_power`,`grid_power`,`consumption_power`,`system_state`],graphs:[[`power`,[`solar_power`,`consumption_power`,`grid_power`,`battery_power`]]]},house:{icon:`mdi:home`,first:gt,graphs:[[`power`,[`exchange_power`,`load_power`]]]},gateway:{icon:`mdi:transmission-tower`,first:_t,graphs:[[`power`,[`power_flow`]]]},site:{icon:`mdi:transmission-tower`,first:[],graphs:[]},other:{icon:`mdi:chip`,first:[],graphs:[]}},yt={sensors:`mdi:thermometer`,weather:`mdi:weather-partly-cloudy`},W={type:`entity`},G={type:`device`},bt={type:`parent_device`},K=(e,t={})=>({type:`tile`,entity:e,name:W,...t}),q=(e,t,n=[])=>({type:`heading`,heading:e,...t?{icon:t}:{},badges:n.filter(Boolean).map(e=>({type:`entity`,entity:e,show_state:!0,show_icon:!0}))}),J=(e,t={})=>({type:`grid`,cards:e,...t}),Y=(e,t)=>t.map(t=>V(e,t)).filter(e=>e!==void 0),xt=new Set([`power`,`voltage`,`current`,`frequency`,`temperature`]);function St(e,t){return t.flatMap(t=>{let[n,r]=t.split(`.`),i=V(e,t);return i?[K(i,n&&r&&xt.has(r)?{name:[G,W]}:{})]:[]})}var Ct=(e,t=W)=>e?[K(e,{name:t,features:[{type:`bar-gauge`,min:0,max:100}],features_position:`inline`,grid_options:{columns:`full`}})]:[];function wt(e,t,n,r={}){return!n.length||!e.hass.config.components.includes(`history`)?[]:[{...q(t),...r},{type:`history-graph`,hours_to_show:mt,entities:n.map(e=>typeof e==`string`?{entity:e,name:W}:e),grid_options:{columns:`full`,rows:ht}}]}var Tt={power:`mdi:flash`,stateOfCharge:`mdi:battery-50`,frequency:`mdi:sine-wave`,priceNow:`mdi:cash-clock`},Et=(e,t)=>n=>t?`${e.node.name}: ${n}`:n,Dt=(e,t,n=e=>e)=>t.map(([t,r])=>{let{translate:i}=e;return J(wt(e,n(`${i(t)} · ${i(`last24Hours`)}`),r,{icon:Tt[t]}))}),Ot={heading_style:`subtitle`},kt=(e,t)=>Y(e,[t]).map(t=>({entity:t,name:e.name}));function X(e,t){let n=e=>{let n=t.indexOf(e.translation_key??``);return n<0?t.length:n};return B(e).filter(e=>!e.entity_category&&!e.entity_id.startsWith(`event.`)).filter(e=>e.translation_key!==`problem`).sort((e,t)=>n(e)-n(t))}var Z=(e,t,n,r,i={})=>({type:`sections`,title:e,path:t,...n?{icon:n}:{},max_columns:3,dense_section_placement:!0,sections:r.filter(e=>e.cards.length>0),...i});function At(e,t){let{translate:n}=e,r=t.length>1,i=t.flatMap(e=>Y(e.node,[`active_faults`,`nodes_online`,`lowest_state_of_charge`]).map(e=>({type:`entity`,entity:e,name:r?[G,W]:W,show_name:!0}))),a=t.flatMap(t=>[J([...r?[q(t.node.name)]:[],{type:`custom:microgrid-swarm-card`,site:t.node.deviceId}],{column_span:3}),Rt(e,t,void 0),jt(e,t,r),...Dt(e,[[`power`,Y(t.node,[`solar_power`,`load_power`,`battery_power`])],[`stateOfCharge`,Y(t.node,[`state_of_charge`,`lowest_state_of_charge`])],[`frequency`,Y(t.node,[`frequency`])]],Et(t,r))]);return Z(n(`title`),`overview`,void 0,a,{badges:i})}function jt({translate:e},t,n){let r=t.planner&&V(t.planner,`planner_action`),i=n?[q(Et(t,n)(e(`planTitle`)))]:[];return J(r?[...i,{type:`custom:microgrid-plan-card`,site:t.node.deviceId}]:[],{column_span:3})}function Mt(e,t){let{hass:n,translate:r}=e,i=t.filter(e=>e.planner).length>1,a=t.flatMap(t=>{let a=t.planner;if(!a)return[];let o=Et(t,i),s=V(a,`planner_saving_total`),c=e=>Nt(a,`planner_bill_${e}`,`planner_payment_${e}`);return[jt(e,t,i),J([q(o(r(`planning`)),`mdi:tune-variant`),...Y(a,[`automatic_planning`,`planner_strategy`]).map(e=>K(e,{grid_options:{columns:`full`}})),...Y(a,[`planner_reserve`]).map(e=>K(e,{features:[{type:`numeric-input`,style:`slider`}],grid_options:{columns:`full`}})),...Y(a,[`planner_saving_today`,`planner_saving_total`,`planner_energy_worth`,`planner_plan`]).map(e=>K(e))]),...Dt(e,[[`priceNow`,Y(a,[`planner_price`])]],o),J(s&&n.config.components.includes(`history`)?[q(o(r(`savings`)),`mdi:piggy-bank`),{type:`statistics-graph`,chart_type:`bar`,period:`day`,days_to_show:14,stat_types:[`change`],hide_legend:!0,entities:[{entity:s,name:W}],grid_options:{columns:`full`,rows:ht}}]:[]),...[`today`,`month`].map(e=>J(c(e).length?[q(o(`${r(`settlement`)} · ${r(e===`today`?`today`:`thisMonth`)}`),`mdi:receipt-text`),{type:`entities`,entities:c(e),show_header_toggle:!1,grid_options:{columns:`full`}},...e===`today`?[{type:`markdown`,content:r(`settlementNote`),text_only:!0}]:[]]:[]))]});return a.length?Z(r(`energy`),`energy`,void 0,a):void 0}function Nt(e,t,n){let r=B(e).filter(e=>e.translation_key===n);return[...Y(e,[t]),...r.map(e=>e.entity_id)].map(e=>({entity:e,name:W}))}function Pt(e,{gateway:t,members:n},r){let i=n.flatMap(e=>kt(e,`battery.state_of_charge`));return Z(t.name,r,void 0,[J([q(t.name,`mdi:transmission-tower`,Y(t,[`problem`,`online`])),...Ct(V(t,`cluster_state_of_charge`)),...St(t,_t)]),...Dt(e,[[`power`,Y(t,[`power_flow`,`cluster_load_power`,`cluster_solar_power`])],[`stateOfCharge`,i],[`frequency`,Y(t,[`cluster_frequency`,`swarm_frequency`])]]),...n.map(It)])}function Ft(e,t,n){return Z(e.translate(`houses`),n,void 0,t.map(It))}function It(e){let t=e.kind===`house`?[...Ct(V(e,`battery.state_of_charge`)),...St(e,gt)]:X(e,vt[e.kind].first).map(e=>K(e.entity_id));return J([q(e.name,vt[e.kind].icon,Y(e,[`problem`,`online`])),...t])}function Lt(e,t){let n=t.flatMap(t=>[...t.devices.map(t=>{let n=vt[t.kind],r=V(t,`state_of_charge`);return J([q(t.name,n.icon,Y(t,[`problem`,`online`])),...Ct(r),...X(t,n.first).filter(e=>e.entity_id!==r).map(e=>K(e.entity_id)),...t.parts.flatMap(e=>X(e,[]).map(e=>K(e.entity_id,{name:[G,W]}))),...n.graphs.flatMap(([n,r])=>wt(e,e.translate(n),Y(t,r),Ot))])}),...t.node.parts.map(e=>J(X(e,[]).length?[q(e.name,yt[e.component]??vt.other.icon),...X(e,[]).map(e=>K(e.entity_id))]:[]))]),r=Z(e.translate(`devices`),`devices`,void 0,n);return r.sections.length?r:void 0}function Rt({translate:e},t,n){let r=$e(t).flatMap(e=>Y(e,[`problem`])),i=r.map(e=>({condition:`state`,entity:e,state:`on`})),a={condition:`or`,conditions:i},o=r.length?[{...q(e(`problems`),`mdi:alert`),visibility:[a]},...r.map((e,t)=>({...K(e,{name:G,color:`red`,state_content:[`codes`,`last_changed`],grid_options:{columns:12}}),visibility:[i[t]]}))]:[],s=n?[{...n,visibility:[{condition:`not`,conditions:[a]}]}]:[];return J([...o,...s],n?{}:{column_span:3,visibility:[a]})}function zt(e,t){let n=t&&e.states[t.entity_id];return n?e.formatEntityName(n,W):(t?.translation_key??``).replaceAll(`_`,` `)}function Bt(e,t){let n=new Map;for(let e of t)for(let t of[e,...e.parts])for(let r of B(t)){let i=r.translation_key??r.entity_id;r.entity_category===`diagnostic`&&i!==`online`&&n.set(i,[...n.get(i)??[],{node:e,part:t,entity:r}])}let r=new Map;for(let t of n.values()){let n=t.length===1,i=zt(e,t[0]?.entity);for(let{node:e,part:a,entity:o}of t){let t=n?e.name:i,s=a===e,c=n?s?W:[G,W]:s?G:bt;r.set(t,[...r.get(t)??[],K(o.entity_id,{name:c})])}}return[...r].map(([e,t])=>J([q(e,`mdi:stethoscope`),...t]))}var Vt=new Set([`active_faults`,`nodes_online`]);function Ht(e,t){let{hass:n,translate:r}=e,i=t.flatMap(t=>{let i=$e(t),a=i.flatMap(e=>Y(e,[`fault`,`activity`])),o=B(t.node).filter(e=>Vt.has(e.translation_key??``)||e.entity_category===`diagnostic`);return[J([...Rt(e,t,q(r(`noProblems`),`mdi:check-circle-outline`)).cards,q(t.node.name,`mdi:transmission-tower`),...o.map(e=>K(e.entity_id)),...a.length&&n.config.components.includes(`logbook`)?[q(r(`faultHistory`),`mdi:history`),{type:`logbook`,target:{entity_id:a},hours_to_show:mt,grid_options:{columns:`full`,rows:ht}}]:[]]),J([q(r(`nodes`),`mdi:lan-connect`,Y(t.node,[`nodes_online`])),...i.flatMap(e=>Y(e,[`online`]).map(e=>K(e,{name:G,color:`green`})))]),...Bt(n,i.slice(1))]});return Z(r(`health`),`health`,void 0,i)}function Ut({hass:e,translate:t},n){return{type:`sections`,title:t(`title`),path:`overview`,max_columns:1,sections:[J([{type:`empty-state`,icon:`mdi:transmission-tower`,title:t(n?`emptyTitle`:`absentTitle`),content:t(n?`emptyText`:`absentText`),buttons:[{text:t(`openIntegration`),icon:`mdi:cog`,tap_action:{action:`navigate`,navigation_path:`/config/integrations/${n||e.config.components.includes(`microgrid`)?`integration/microgrid`:`dashboard/add?domain=microgrid`}`}}]}])]}}function Wt(e,t){let n=e.normalize(`NFKD`).replace(/\p{M}/gu,``).toLowerCase().replace(/[^a-z0-9]+/g,`-`).replace(/^-|-$/g,``),r=Number.isNaN(Number(n))?n:[`cluster`,n].filter(Boolean).join(`-`),i=r;for(let e=2;t.has(i);e++)i=`${r}-${e}`;return t.add(i),i}var Gt=e=>$e(e).length>1||e.node.parts.length>0;function Kt(e,t){let n={hass:t,translate:H(t.language)},r=e.site,i=et(t).filter(e=>r===void 0||e.node.deviceId===r),a=i.filter(Gt),o=a.length===1?a[0]?.node.name:n.translate(`title`);if(!a.length)return{title:o,views:[Ut(n,i.length>0)]};let s=new Set([`overview`,`energy`,`devices`,`health`]),c=a.flatMap(e=>e.clusters),l=a.flatMap(e=>e.houses),u=Lt(n,a),d=Mt(n,a);return{title:o,views:[At(n,a),...d?[d]:[],...c.map(e=>Pt(n,e,Wt(e.gateway.name,s))),...l.length?[Ft(n,l,Wt(n.translate(`houses`),s))]:[],...u?[u]:[],Ht(n,a)]}}var qt=class extends HTMLElement{static registryDependencies=[`entities`,`devices`];static async generate(e,t){return Kt(e,t)}static getCreateSuggestions(e){return{title:H(e.language)(`title`),icon:`mdi:transmission-tower`}}},Jt={house:{outline:`M3.5 18 20 4.5 36.5 18V34a2.5 2.5 0 0 1-2.5 2.5H6A2.5 2.5 0 0 1 3.5 34Z`,top:4.5,bottom:36.5},battery:{outline:`M9 8.5h5.5V5a1.5 1.5 0 0 1 1.5-1.5h8A1.5 1.5 0 0 1 25.5 5v3.5H31a2.5 2.5 0 0 1 2.5 2.5V34a2.5 2.5 0 0 1-2.5 2.5H9A2.5 2.5 0 0 1 6.5 34V11A2.5 2.5 0 0 1 9 8.5Z`,top:8.5,bottom:36.5}};function Yt(e,t,n){let{outline:r,top:i,bottom:a}=Jt[e],o=a-Math.min(Math.max((t??0)/100,0),1)*(a-i);return D`<svg class="vessel" viewBox="0 0 40 40" aria-hidden="true">
    <clipPath id=${e}><path d=${r} /></clipPath>
    <g clip-path=${`url(#${e})`}>
      <rect class="fill" x="0" y=${o} width="40" height=${40-o} />
    </g>
    <path class="outline" d=${r} />
    ${n?O`<text x="20" y="30">${n}</text>`:A}
  </svg>`}function Xt(e){return D`<svg class="contactor" viewBox="0 0 24 32" aria-hidden="true">
    <rect class="gap" x="6" y="5" width="18" height="22" />
    ${e===void 0?O`<text x="12" y="20.5">?</text>`:O`<path class="arm" d=${e?`M12 5V27`:`M12 27 21.5 8.5`} />`}
    <circle cx="12" cy="5" r="3.2" /><circle cx="12" cy="27" r="3.2" />
  </svg>`}var Zt={house:{icon:`mdi:home`,charge:`battery.state_of_charge`,flow:`exchange_power`,sun:`mppt.solar_power`,facts:[]},battery:{icon:`mdi:battery`,charge:`state_of_charge`,flow:`power`,facts:[`schedule_mode`]},victron_gx:{icon:`mdi:home-battery`,charge:`state_of_charge`,flow:`battery_power`,sun:`solar_power`,facts:[`consumption_power`]},mpp_inverter:{icon:`mdi:power-socket-de`,sun:`solar_power`,facts:[`ac_output_active_power`,`mode`,`output_load_percent`]},heat_pump:{icon:`mdi:heat-pump`,facts:[`outlet_temperature`,`apparent_power`,`inlet_temperature`]},gateway:{icon:`mdi:transmission-tower`,flow:`power_flow`,facts:[`cluster_frequency`]},site:{icon:`mdi:transmission-tower`,facts:[`solar_power`,`load_power`,`frequency`]},other:{icon:`mdi:chip`,facts:[]}},Qt={sensors:`mdi:thermometer`,weather:`mdi:weather-partly-cloudy`},$t=50,en=2,tn=e=>e===void 0||Math.abs(e)<$t?`none`:e>0?`out`:`in`;function nn(e,t,n){let r=tn(e),i=t(r===`out`?`exporting`:r===`in`?`importing`:`resting`);return r===`none`?i:`${i} ${R(Math.abs(e),n)}`}var rn=e=>B(e).filter(e=>!e.entity_category&&!e.entity_id.startsWith(`event.`)).map(e=>e.entity_id),Q=e=>e.filter(e=>e!==void 0);function an(e){let t=Zt[e.kind];return[...Q(Q([`online`,`problem`,t.charge,t.flow,t.sun,...t.facts]).map(t=>V(e,t))),...rn(e)]}function on(e,t,n){let r=Zt[t.kind],i=e=>e===void 0?void 0:V(t,e),a=i(r.charge),o=Ue(e,a),s=We(e,i(r.flow)),c=We(e,i(r.sun)),l=c===void 0?void 0:R(c,e.locale),u=V(t,`problem`,`binary_sensor.`),d=Ge(e,u)===!0,f=P(e,u)?.attributes.codes,p=Ge(e,V(t,`online`,`binary_sensor.`))===!1,m=p?`offline`:d?`fault`:`fine`,h=Q(r.facts.map(e=>i(e))).filter(t=>F(e,t)),g=o===void 0&&s===void 0&&l===void 0,_=h.length||!g?h:rn(t).filter(t=>F(e,t)),ee=c!==void 0&&c>=1,v=p?[]:Q(_.slice(0,ee?1:en).map(t=>I(e,t))),y=I(e,a),te=[p?n(`offline`):void 0,d?`${n(`fault`)} ${Array.isArray(f)?f.join(`, `):``}`.trim():void 0,y&&n(`chargeOf`,y),s===void 0?void 0:nn(s,n,e.locale),l&&n(`sunOf`,l),...v];return{condition:m,icon:r.icon,charge:o,chargeText:y,direction:p?`none`:tn(s),flow_w:s,sun:ee?l:void 0,facts:v,faultCodes:d&&Array.isArray(f)?f.map(String):[],target:(d?u:void 0)??a??_[0]??i(r.flow)??rn(t)[0],label:`${t.name}: ${Q(te).join(`, `)||n(`noReading`)}`}}var sn=e=>({...e,kind:`other`,parts:[]}),cn=e=>Qt[e.component]??Zt[e.kind].icon,ln=o`
  :host {
    --line: color-mix(in srgb, var(--primary-text-color) 24%, var(--ground));
    --out: var(--energy-grid-return-color, #8353d1);
    --in: var(--energy-grid-consumption-color, #488fc2);
    --solar: var(--energy-solar-color, #ff9800);
    --charge: var(--energy-battery-out-color, #4db6ac);
    --fault: var(--error-color, #db4437);
    --low: var(--warning-color, #ffa600);
    --bus: 4px;
    --trunk: 16px; /* x of the vertical line of a group */
  }

  /* ---- totals ---- */
  .totals {
    display: grid;
    grid-template-columns: repeat(4, 1fr);
    gap: 4px;
    max-width: 860px;
    margin: 0 auto;
  }
  .figure .value {
    font-size: 22px;
    line-height: 1.2;
    white-space: nowrap;
  }
  .solar_power {
    --tint: var(--solar);
  }
  .load_power {
    --tint: var(--in);
  }
  .state_of_charge {
    --tint: var(--charge);
  }
  .frequency {
    --tint: var(--out);
  }

  /* ---- the bus: one line above each band of groups, joined by a rail at the left when there are several ---- */
  .bands {
    --rail: 0px;
    margin-top: 8px;
    padding-left: var(--rail);
  }
  .bands.several {
    --rail: 12px;
  }
  .band {
    position: relative;
    display: grid;
    grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
    padding-bottom: 12px;
  }
  .band:last-child {
    padding-bottom: 0;
  }
  .several .band:not(:last-child)::before {
    content: "";
    position: absolute;
    left: calc(0px - var(--rail));
    top: 0;
    bottom: 0;
    width: var(--bus);
    background: var(--line);
  }
  .group {
    position: relative;
    min-width: 0;
  }
  .group::before {
    content: "";
    position: absolute;
    top: 0;
    height: var(--bus);
    background: var(--line);
    left: calc(var(--trunk) - 1px);
    right: calc(1px - var(--trunk));
  }
  .group:last-child::before {
    right: auto;
    width: 2px;
  }
  .several .group:first-child::before {
    left: calc(0px - var(--rail));
  }
  .several .group:first-child:last-child::before {
    width: calc(var(--rail) + var(--trunk) + 1px);
  }
  .legend {
    display: flex;
    justify-content: flex-end;
    gap: 16px;
    margin: 12px 0 0;
    font-size: var(--ha-font-size-s, 12px);
  }
  .legend .flow {
    color: var(--secondary-text-color);
  }

  /* ---- gateway and its contactor ---- */
  .head {
    box-sizing: border-box;
    position: relative;
    display: flex;
    width: 100%;
    min-height: 76px;
    padding: 10px 4px 4px 0;
    border-radius: 0 10px 10px 0;
  }
  .stacked .head.plain {
    min-height: 40px;
  }
  .tie {
    position: absolute;
    left: calc(var(--trunk) - 1px);
    top: 0;
    bottom: 0;
    width: 2px;
    background: var(--line);
  }
  .contactor {
    position: absolute;
    left: -11px;
    top: calc(50% - 14px);
    width: 24px;
    height: 32px;
    overflow: visible;
  }
  .contactor .gap {
    fill: var(--ground);
  }
  .contactor .arm {
    fill: none;
    stroke: var(--primary-text-color);
    stroke-width: 2.5;
    stroke-linecap: round;
  }
  .contactor circle {
    fill: var(--ground);
    stroke: var(--primary-text-color);
    stroke-width: 2;
  }
  .contactor text {
    fill: var(--secondary-text-color);
    font-size: 14px;
    font-weight: 600;
    text-anchor: middle;
  }
  .head .words {
    padding-left: 40px;
  }
  .head .name {
    font-weight: 600;
  }
  .head.open .state {
    font-weight: 500;
    color: var(--primary-text-color);
  }

  /* ---- what hangs in a group ---- */
  .rows {
    list-style: none;
    margin: 0;
    padding: 0;
  }
  li {
    position: relative;
    padding-left: var(--trunk);
  }
  li::before {
    content: "";
    position: absolute;
    left: calc(var(--trunk) - 1px);
    top: 0;
    bottom: 0;
    width: 2px;
    background: var(--line);
  }
  li:last-child::before {
    bottom: calc(50% - 1px);
  }
  .row {
    position: relative;
    display: flex;
    align-items: center;
    width: 100%;
    min-height: 52px;
    border-radius: 0 10px 10px 0;
  }
  .drop {
    flex: none;
    width: 24px;
    height: 2px;
    background: var(--line);
  }
  .glyph {
    flex: none;
    display: flex;
    position: relative;
    width: 40px;
    height: 40px;
  }
  .vessel {
    width: 40px;
    height: 40px;
    overflow: visible;
  }
  .vessel .fill {
    fill: color-mix(in srgb, var(--tint) 45%, transparent);
    transition:
      y 0.6s,
      height 0.6s;
  }
  .vessel .outline {
    fill: none;
    stroke: var(--tint);
    stroke-width: 1.8;
    stroke-linejoin: round;
  }
  .vessel text {
    fill: var(--primary-text-color);
    font-size: 11px;
    font-weight: 600;
    text-anchor: middle;
    font-variant-numeric: tabular-nums;
  }
  .row {
    --tint: var(--charge);
  }
  .row.low {
    --tint: var(--low);
  }
  .row.fault {
    --tint: var(--fault);
  }
  .row.offline {
    --tint: var(--disabled-text-color, #bdbdbd);
  }
  .row.offline .outline {
    stroke-dasharray: 3 3;
  }
  .row.offline .vessel text {
    display: none;
  }
  .row.offline .name,
  .head.offline .name {
    color: var(--secondary-text-color);
  }
  .icon {
    display: grid;
    place-items: center;
    width: 36px;
    height: 36px;
    margin: 2px;
    border-radius: 50%;
    color: var(--secondary-text-color);
    background: color-mix(in srgb, var(--primary-text-color) 7%, transparent);
    --mdc-icon-size: 20px;
  }
  .row.fault .icon {
    color: var(--fault);
    background: color-mix(in srgb, var(--fault) 14%, transparent);
  }
  .row .words {
    padding-left: 10px;
  }

  /* ---- words ---- */
  .words {
    display: flex;
    flex-direction: column;
    flex: 1;
    min-width: 0;
    padding-right: 4px;
  }
  .line {
    display: flex;
    align-items: center;
    gap: 8px;
    min-width: 0;
  }
  .line .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .detail {
    flex-wrap: wrap;
    gap: 0 8px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
    font-variant-numeric: tabular-nums;
  }
  .detail > * {
    white-space: nowrap;
  }
  .flow {
    color: var(--primary-text-color);
  }
  .arrow {
    display: inline-block;
    width: 12px;
    font-size: 9px;
    vertical-align: 1px;
  }
  .flow.out .arrow {
    color: var(--out);
  }
  .flow.in .arrow {
    color: var(--in);
  }
  .flow.none {
    color: var(--secondary-text-color);
  }
  .flow.none .arrow {
    display: none;
  }
  .sun {
    display: inline-flex;
    align-items: center;
    gap: 3px;
    --mdc-icon-size: 13px;
  }
  .sun ha-icon {
    display: flex;
    color: var(--solar);
  }
  .fault-badge {
    flex: none;
    display: inline-flex;
    align-items: center;
    gap: 3px;
    padding: 1px 6px 1px 4px;
    border-radius: 9px;
    font-size: 11px;
    font-weight: 600;
    color: var(--fault);
    background: color-mix(in srgb, var(--fault) 14%, transparent);
    --mdc-icon-size: 13px;
  }

  /* ---- flow: dashes that move with the power; the arrows say the same without colour and movement ---- */
  .flow-out {
    --flow: var(--out);
  }
  .flow-in {
    --flow: var(--in);
  }
  .flow-out .drop,
  .flow-in .drop {
    background: repeating-linear-gradient(to right, var(--flow) 0 5px, transparent 5px 8px);
    background-size: 8px 100%;
  }
  .flow-out .tie,
  .flow-in .tie {
    background: repeating-linear-gradient(to bottom, var(--flow) 0 5px, transparent 5px 8px);
    background-size: 100% 8px;
  }
  .offline .drop {
    background: repeating-linear-gradient(to right, var(--line) 0 3px, transparent 3px 6px);
  }
  @media (prefers-reduced-motion: no-preference) {
    .flow-in .drop {
      animation: along 0.8s linear infinite;
    }
    .flow-out .drop {
      animation: along 0.8s linear infinite reverse;
    }
    .flow-in .tie {
      animation: down 0.8s linear infinite;
    }
    .flow-out .tie {
      animation: down 0.8s linear infinite reverse;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .vessel .fill {
      transition: none;
    }
  }
  @keyframes along {
    to {
      background-position-x: 8px;
    }
  }
  @keyframes down {
    to {
      background-position-y: 8px;
    }
  }

  @container (max-width: 600px) {
    .totals {
      grid-template-columns: repeat(2, 1fr);
    }
    .figure {
      padding: 6px 4px;
      column-gap: 10px;
    }
    .figure .value {
      font-size: 20px;
    }
  }
`,un=216,dn={out:`▲`,in:`▼`,none:``},fn=20;function pn(e,t){let n=Math.max(1,Math.floor(t/un));return e?Math.ceil(e/Math.ceil(e/n)):1}var mn=class extends tt{static styles=[Pe,ln];site;getCardSize(){return 8}choose([e]){return this.site=e,e?[...$e(e),...e.node.parts.map(sn)].flatMap(an):[]}render(){let e=this.hass;if(!e)return A;this.read(e);let t=H(e.language),n=this.site;if(!n)return D`<ha-card><p class="quiet">${t(`emptyTitle`)}</p></ha-card>`;let r=n.node.parts.filter(e=>e.entities.length).map(sn),i=[...n.devices,...r],a=[...n.clusters.map(n=>this.renderCluster(e,n,t)),...n.houses.length?[this.renderGroup(e,t(`otherHouses`),n.houses,t)]:[],...i.length?[this.renderGroup(e,t(`onTheBus`),i,t)]:[]],o=pn(a.length,this._width),s=Array.from({length:Math.ceil(a.length/o)},(e,t)=>a.slice(t*o,(t+1)*o));return D`<ha-card>
      <div class="diagram" role="group" aria-label=${t(`mapLabel`,n.node.name)}>
        ${this.renderTotals(e,n.node,t)}
        <div class="bands ${s.length>1?`several`:``} ${o===1?`stacked`:``}" style="--columns: ${o}">
          ${s.map(e=>D`<div class="band">${e}</div>`)}
        </div>
        <p class="legend" aria-hidden="true">
          <span class="flow out"><span class="arrow">${dn.out}</span>${t(`exporting`)}</span>
          <span class="flow in"><span class="arrow">${dn.in}</span>${t(`importing`)}</span>
        </p>
      </div>
    </ha-card>`}renderTotals(e,t,n){let r=We(e,V(t,`battery_power`)),i=I(e,V(t,`state_of_charge`)),a=tn(r),o=Ue(e,V(t,`frequency`)),s=n=>{let r=We(e,V(t,n));return r===void 0?void 0:R(r,e.locale)},c=r===void 0?void 0:a===`none`?n(`resting`):`${n(a===`out`?`discharging`:`charging`)} ${R(Math.abs(r),e.locale)}`,l=o===void 0?void 0:Math.round((o-50)*1e3),u=l===void 0?void 0:`${l<0?`−`:`+`}${L(Math.abs(l),0,e.locale)} mHz`,d=[[`solar_power`,`mdi:solar-power-variant`,n(`solar`),s(`solar_power`),void 0],[`load_power`,`mdi:home-lightning-bolt`,n(`homes`),s(`load_power`),void 0],[`state_of_charge`,`mdi:battery-charging-medium`,n(`storage`),i,c],[`frequency`,`mdi:sine-wave`,n(`frequency`),I(e,V(t,`frequency`)),u]];return D`<div class="totals" role="group" aria-label=${n(`totalsLabel`,t.name)}>
      ${d.map(([e,r,i,a,o])=>D`<button
          class="figure ${e}"
          ?disabled=${!V(t,e)}
          aria-label="${i}: ${a??n(`noReading`)}${o?`, ${o}`:``}"
          @click=${()=>this.moreInfo(V(t,e))}
        >
          <ha-icon .icon=${r} aria-hidden="true"></ha-icon>
          <span class="name">${i}</span>
          <span class="value">${a??`–`}</span>
          <span class="more">${o??A}</span>
        </button>`)}
    </div>`}renderCluster(e,{gateway:t,members:n},r){let i=on(e,t,r),a=V(t,`contactor_closed`),o=i.condition===`offline`?void 0:Ge(e,a),s=r(o===void 0?`contactorUnknown`:o?`closed`:`open`),c=o&&i.flow_w!==void 0?nn(i.flow_w,r,e.locale):void 0,l=n.filter(t=>Ge(e,V(t,`online`,`binary_sensor.`))).length,u=r(`housesOnline`,l,n.length),d=I(e,V(t,`cluster_state_of_charge`)),f=[I(e,V(t,`cluster_frequency`)),d].filter(Boolean).join(` · `),p=o?i.direction:`none`,m=[t.name,i.condition===`offline`?r(`offline`):s,c,f,u];return D`<section class="group" aria-label=${t.name}>
      <button
        class="head ${i.condition} flow-${p} ${o===!1?`open`:``}"
        aria-label=${m.filter(Boolean).join(`, `)}
        @click=${()=>this.moreInfo(i.condition===`fault`?i.target:a??i.target)}
      >
        <span class="tie">${Xt(o)}</span>
        <span class="words">
          <span class="line"><span class="name" title=${t.name}>${t.name}</span>${this.renderBadges(i)}</span>
          <span class="line detail">
            <span class="state">${i.condition===`offline`?r(`offline`):s}</span>
            ${c?this.renderFlow(e,i):A}
          </span>
          <span class="line detail">${i.condition===`offline`?u:f||u}</span>
        </span>
      </button>
      ${this.renderRows(e,n,r)}
    </section>`}renderGroup(e,t,n,r){return D`<section class="group" aria-label=${t}>
      <div class="head plain">
        <span class="tie"></span>
        <span class="words"><span class="line"><span class="name">${t}</span></span></span>
      </div>
      ${this.renderRows(e,n,r)}
    </section>`}renderRows(e,t,n){return D`<ul class="rows">
      ${t.map(t=>this.renderRow(e,t,n))}
    </ul>`}renderRow(e,t,n){let r=on(e,t,n),i=r.condition===`offline`,a=r.charge!==void 0&&r.charge<fn?`low`:``;return D`<li>
      <button
        class="row ${r.condition} flow-${r.direction} ${a}"
        aria-label=${r.label}
        @click=${()=>this.moreInfo(r.target)}
      >
        <span class="drop"></span>
        <span class="glyph">${this.renderGlyph(t,r)}</span>
        <span class="words">
          <span class="line"><span class="name" title=${t.name}>${t.name}</span>${this.renderBadges(r)}</span>
          <span class="line detail">
            ${i?n(`offline`):D`${this.renderFlow(e,r)}
                  ${r.sun?D`<span class="sun"><ha-icon icon="mdi:white-balance-sunny"></ha-icon>${r.sun}</span>`:A}
                  ${r.facts.map(e=>D`<span class="fact">${e}</span>`)}`}
          </span>
        </span>
      </button>
    </li>`}renderGlyph(e,t){let n=t.charge===void 0?void 0:`${Math.round(t.charge)}%`;return e.kind===`house`?Yt(`house`,t.charge,n):e.kind===`battery`?Yt(`battery`,t.charge,n):D`<span class="icon"><ha-icon .icon=${cn(e)}></ha-icon></span>`}renderFlow(e,t){return t.flow_w===void 0?A:D`<span class="flow ${t.direction}"
      ><span class="arrow">${dn[t.direction]}</span>${R(Math.abs(t.flow_w),e.locale)}</span
    >`}renderBadges(e){if(e.condition!==`fault`)return A;let[t,...n]=e.faultCodes;return D`<span class="fault-badge"><ha-icon icon="mdi:alert"></ha-icon>${`${t??``}${n.length?` +${n.length}`:``}`}</span>`}moreInfo(e){e&&this.dispatchEvent(new CustomEvent(`hass-more-info`,{bubbles:!0,composed:!0,detail:{entityId:e}}))}};function hn(e,t,n){customElements.get(e)||(customElements.define(e,t),n(window))}await customElements.whenDefined(`home-assistant`);var $=H(navigator.language);hn(`microgrid-swarm-card`,mn,e=>{(e.customCards??=[]).push({type:`microgrid-swarm-card`,name:$(`title`),description:$(`description`)})}),hn(`microgrid-plan-card`,dt,e=>{(e.customCards??=[]).push({type:`microgrid-plan-card`,name:$(`planTitle`),description:$(`planDescription`)})}),hn(`ll-strategy-dashboard-microgrid`,qt,e=>{(e.customStrategies??=[]).push({type:`microgrid`,strategyType:`dashboard`,name:$(`title`),description:$(`description`)})});