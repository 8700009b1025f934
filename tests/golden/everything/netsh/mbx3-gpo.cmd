@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of mbx3.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: mbx3-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: mbx3-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx3.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec admin-remote-registry 56133238"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec legacy-streaming-backup 5712e76e"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec ccr-scr-log-shipping 635d67be"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec delete rule name="datapath.exchange clear icmp 49179de9"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall mainmode delete rule name="datapath.exchange main 583ff206"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange d4478184"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 7a7905f7"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange bc3ba90b"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange a9c46e5d"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 51797c1a"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 3eeaf86b"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site 9f896c13"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop f63fd8b9"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop 750736eb"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in outlook-anywhere-back-end ca1163a7"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 93376c24"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in webdav-to-mailbox 02476fb2"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in webdav-to-mailbox 3f7e4308"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc a707d5a5"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc dea90a93"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 3705d3c4"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 912f9567"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 5f1dbca9"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox ef00b9c2"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in legacy-streaming-backup 09e36f8b"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in vss-backup e34ace49"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding 7b6406f5"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping aaaeb437"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management a8dc025c"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx3.netsh" >nul 2>&1
>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in management a8dc025c" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5986 remoteip=198.51.100.48
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b" dir=in action=allow description="hub-to-mailbox-mapi recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping aaaeb437" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=192.0.2.21
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding 7b6406f5" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in vss-backup e34ace49" dir=in action=allow description="vss-backup" profile=any protocol=tcp localport=445 remoteip=198.51.100.44
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in legacy-streaming-backup 09e36f8b" dir=in action=allow description="legacy-streaming-backup" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.44
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox ef00b9c2" dir=in action=allow description="mapi-to-mailbox system-attendant-listener outlook-oab-public-folder" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.20-198.51.100.22
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 5f1dbca9" dir=in action=allow description="availability-cas-to-mailbox recipient-update-rpc system-attendant-listener cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31-192.0.2.32
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 912f9567" dir=in action=allow description="admin-remote-registry admin-remote-smb management-tools" profile=any protocol=tcp localport=445 remoteip=198.51.100.84
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 3705d3c4" dir=in action=allow description="admin-remote-registry recipient-update-rpc system-attendant-listener management-tools" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.84
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc dea90a93" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.23
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc a707d5a5" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.41
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in webdav-to-mailbox 3f7e4308" dir=in action=allow description="webdav-to-mailbox" profile=any protocol=tcp localport=443 remoteip=192.0.2.31-192.0.2.32
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in webdav-to-mailbox 02476fb2" dir=in action=allow description="webdav-to-mailbox" profile=any protocol=tcp localport=443 remoteip=0.0.0.0-255.255.255.255
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in oab-share-pull 93376c24" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31-192.0.2.32
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in outlook-anywhere-back-end ca1163a7" dir=in action=allow description="outlook-anywhere-back-end" profile=any protocol=tcp localport=6001-6002,6004 remoteip=192.0.2.31
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop 750736eb" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=198.51.100.84
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop f63fd8b9" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=198.51.100.48
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site 9f896c13" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.32
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 3eeaf86b" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=198.51.100.84
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 51797c1a" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=198.51.100.84
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange a9c46e5d" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=198.51.100.44
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange bc3ba90b" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=198.51.100.44
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 7a7905f7" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.21
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange d4478184" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.21
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall mainmode add rule name="datapath.exchange main 583ff206" description="key exchange with these peers" endpoint1=192.0.2.23 endpoint2=192.0.2.21,198.51.100.44,198.51.100.84 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec add rule name="datapath.exchange clear icmp 49179de9" description="ICMP" endpoint1=192.0.2.23 endpoint2=192.0.2.21,198.51.100.44,198.51.100.84 action=noauthentication mode=transport profile=any protocol=icmpv4
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec ccr-scr-log-shipping 635d67be" description="ccr-scr-log-shipping ccr-scr-seeding recipient-update-rpc system-attendant-as-mapi-client" endpoint1=192.0.2.23 endpoint2=192.0.2.21 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec legacy-streaming-backup 5712e76e" description="legacy-streaming-backup" endpoint1=192.0.2.23 endpoint2=198.51.100.44 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec admin-remote-registry 56133238" description="admin-remote-registry admin-remote-smb management-tools recipient-update-rpc system-attendant-listener" endpoint1=192.0.2.23 endpoint2=198.51.100.84 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx3.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-mbx3.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
